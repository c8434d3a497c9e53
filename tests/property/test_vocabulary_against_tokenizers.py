"""Decoding, token boundaries and word starts against the `tokenizers` package and the published sets."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

import suffix_engine
from index_format.tokenizer import JsonTokenizer
from index_format.vocabulary import Vocabulary, vocabulary_of
from index_format.word_starts import word_start_ids
from tests.conftest import REPOSITORY
from tests.tiny_index import byte_level_tokenizer

TOKENIZERS = REPOSITORY.parent / "shared" / "data" / "tokenizers"
SHARED = ("llama-2", "dolma2", "olmo-7b")
TRAINED = "trained here"
SEED_TEXT = (
    "the river runs past the mill.\n",
    "naïve café, 水の音 🌊🌊",
    "def f(x):\n    return x + 1\n",
) * 3


@cache
def content(name: str) -> bytes:
    if name == TRAINED:
        return byte_level_tokenizer(SEED_TEXT).content
    path = TOKENIZERS / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"needs {path.name} of ../shared/data, which is not part of the repository")
    return path.read_bytes()


@cache
def reference(name: str) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_str(content(name).decode())


@cache
def parts(name: str) -> tuple[Vocabulary, suffix_engine.Vocabulary]:
    plain = vocabulary_of(json.loads(content(name)))
    engine = suffix_engine.Vocabulary(
        plain.pieces,
        fallback_ids=plain.fallback_ids,
        byte_level=plain.byte_level,
        strip_leading_space=plain.strip_leading_space,
    )
    return plain, engine


@cache
def known_ids(name: str) -> list[int]:
    return sorted(reference(name).get_vocab(with_added_tokens=True).values())


@pytest.mark.parametrize("name", [TRAINED, *SHARED])
@given(data=st.data())
def test_decoding_random_ids_equals_the_tokenizer(name: str, data: st.DataObject) -> None:
    _, engine = parts(name)
    # Low ids hold the special and byte tokens, whose runs are where decoders differ.
    low, any_id = st.sampled_from(known_ids(name)[:300]), st.sampled_from(known_ids(name))
    ids = data.draw(st.lists(st.one_of(low, any_id), max_size=40))
    text, packed = engine.decode(ids)
    assert text == reference(name).decode(ids, skip_special_tokens=False)
    boundaries = np.frombuffer(packed, dtype="<u4").tolist()
    assert boundaries == sorted(boundaries)
    assert (len(boundaries), boundaries[0], boundaries[-1]) == (len(ids) + 1, 0, len(text))


@pytest.mark.parametrize("name", [TRAINED, *SHARED])
@given(text=st.text(max_size=60))
def test_decoding_an_encoded_text_equals_the_tokenizer(name: str, text: str) -> None:
    _, engine = parts(name)
    ids = reference(name).encode(text, add_special_tokens=False).ids
    assert engine.decode(ids)[0] == reference(name).decode(ids, skip_special_tokens=False)


WORDS = st.sampled_from(
    ["the", " the", "  ", " ", "\u2581", "\n\n", ".", "7", "ing", "é", "水", "🚀", "e\u0301", "</s>", "<0x0A>"]
)


@pytest.mark.parametrize("name", [TRAINED, *SHARED])
@given(
    text=st.one_of(
        st.text(max_size=60),
        st.from_regex(r"[0-9][a-z0-9 .,\n]{0,40}", fullmatch=True),
        st.lists(WORDS, max_size=20).map("".join),
    )
)
def test_an_encoded_text_is_tiled_by_its_boundaries_and_has_the_tokens_of_the_tokenizer(name: str, text: str) -> None:
    query = JsonTokenizer(content(name)).encode(text) if name == TRAINED else shared_tokenizer(name).encode(text)
    assert query.token_ids.tolist() == reference(name).encode(text, add_special_tokens=False).ids
    boundaries = query.boundaries.tolist()
    assert boundaries == sorted(boundaries)
    assert len(boundaries) == len(query.token_ids) + 1
    assert boundaries[0] == 0
    assert not len(query.token_ids) or boundaries[-1] == len(text)


@pytest.mark.parametrize("name", [TRAINED, *SHARED])
@given(text=st.lists(st.one_of(WORDS, st.text(max_size=4)), max_size=20).map("".join))
def test_boundaries_of_an_encoded_text_are_those_the_engine_decodes(name: str, text: str) -> None:
    query = shared_tokenizer(name).encode(text)
    decoded, packed = parts(name)[1].decode(query.token_ids.tolist())
    if decoded == text:  # the tokenizer changed no character
        assert query.boundaries.tolist() == np.frombuffer(packed, dtype="<u4").tolist()


@cache
def shared_tokenizer(name: str) -> JsonTokenizer:
    return JsonTokenizer(content(name))


@pytest.mark.parametrize(("name", "size"), [("llama-2", 18_796), ("dolma2", 44_644)])
def test_word_starts_are_the_published_set(name: str, size: int, shared_data: Path) -> None:
    published = {int(line) for line in (shared_data / "tokenizers" / f"{name}.word_starts.txt").read_text().split()}
    plain, _ = parts(name)
    assert len(published) == size
    assert word_start_ids(json.loads(content(name)), byte_level=plain.byte_level) == published


def test_word_starts_of_a_trained_tokenizer_are_the_tokens_that_begin_with_space_or_newline() -> None:
    plain, _ = parts(TRAINED)
    wanted = {id_ for id_, piece in enumerate(plain.pieces) if piece.startswith((b" ", b"\n"))}
    assert word_start_ids(json.loads(content(TRAINED)), byte_level=True) == wanted
