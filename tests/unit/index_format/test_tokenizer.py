import itertools
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from index_format.errors import TokenizerError
from index_format.layout import TOKENIZER_FILE
from index_format.manifest import IndexManifest
from index_format.tokenizer import ByteTokenizer, JsonTokenizer, open_tokenizer
from tests.shared_data import shared_tokenizer
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = [
    "",
    " ",
    "7 days",
    "Naïve café — 東京 🚀 done.",
    "  two  spaces\n\nand lines\t",
    "e\u0301 combined",
    "</s> special <unk>",
]


def pieces(tokenizer, text):
    """Returns the characters of each token of a text."""
    boundaries = tokenizer.encode(text).boundaries.tolist()
    return [text[start:end] for start, end in itertools.pairwise(boundaries)]


def tokenizers_under_test():
    yield ByteTokenizer()
    yield byte_level_tokenizer(TEXTS)


@pytest.mark.parametrize("text", TEXTS)
def test_offsets_tile_the_text(text):
    for tokenizer in tokenizers_under_test():
        assert "".join(pieces(tokenizer, text)) == text


@pytest.mark.parametrize("name", ["llama-2", "dolma2", "olmo-7b"])
@pytest.mark.parametrize("text", TEXTS)
def test_offsets_of_published_tokenizers_tile_the_text(name, text):
    tokenizer = JsonTokenizer.from_file(shared_tokenizer(name))
    encoded = tokenizer.encode(text)
    assert "".join(pieces(tokenizer, text)) == text
    assert len(encoded.boundaries) == len(encoded.token_ids) + 1
    assert encoded.token_ids.tolist() == tokenizer.encode_batch([text])[0].tolist()


def test_an_answer_that_starts_with_a_digit_gives_the_digit_to_its_own_token():
    # Llama-2 splits "7" into the prefix space and the digit, both with the offsets (0, 1).
    tokenizer = JsonTokenizer.from_file(shared_tokenizer("llama-2"))
    assert tokenizer.encode("7 days").token_ids[0] == 29871
    assert pieces(tokenizer, "7 days") == ["", "7", " days"]


def test_the_prefix_space_that_a_tokenizer_adds_takes_no_character():
    tokenizer = JsonTokenizer.from_file(shared_tokenizer("llama-2"))
    assert pieces(tokenizer, "Hello world")[0] == "Hello"


def test_a_trimmed_space_belongs_to_the_word_after_it():
    tokenizer = byte_level_tokenizer(["the cat sat on the mat"] * 3)
    assert pieces(tokenizer, "the cat") == ["the", " cat"]


def test_a_character_of_several_tokens_belongs_to_the_last():
    assert pieces(ByteTokenizer(), "é!") == ["", "é", "!"]
    tokenizer = JsonTokenizer.from_file(shared_tokenizer("llama-2"))
    rocket = pieces(tokenizer, "🚀")
    assert rocket[-1] == "🚀"
    assert len(rocket) == 5


def test_bytes_start_words_outside_runs_of_letters():
    text = "Go, ünder_way 42x"
    starts = ByteTokenizer().encode(text).word_starts
    encoded = text.encode()
    assert [encoded[i : i + 1] for i in np.flatnonzero(starts)] == [
        b"G", b",", b" ", b"\xc3", b"_", b"w", b" ", b"4",
    ]  # fmt: skip


def test_ids_of_finds_single_tokens_only():
    llama = JsonTokenizer.from_file(shared_tokenizer("llama-2"))
    assert 29889 in llama.ids_of(".")
    assert llama.ids_of("\n") == {13}
    assert not llama.ids_of("no single token")
    dolma = JsonTokenizer.from_file(shared_tokenizer("dolma2"))
    assert (dolma.ids_of("\n"), dolma.ids_of(".")) == ({198}, {13})
    assert ByteTokenizer().ids_of("\n") == {10}
    assert not ByteTokenizer().ids_of("é")


def test_ids_of_names_every_token_of_a_text_and_keeps_nothing_of_what_it_is_asked():
    tokenizer = JsonTokenizer.from_file(shared_tokenizer("llama-2"))
    pieces = tokenizer.vocabulary.pieces
    expected = {piece: frozenset(i for i, each in enumerate(pieces) if each == piece) for piece in (b".", b"a", b"\n")}
    assert {piece: tokenizer.ids_of(piece.decode()) for piece in expected} == expected
    assert not tokenizer.ids_of("")
    tracemalloc.start()
    for letter in "abcdefgh":
        assert not tokenizer.ids_of(letter * 1_000_000)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 100_000


@pytest.mark.parametrize("content", [b"", b"not json", b"{}", b"[]", b'{"model": {"type": "BPE"}}', b"\xff\xfe"])
def test_a_file_that_is_no_tokenizer_is_refused_by_name(content):
    with pytest.raises(TokenizerError, match=r"mine\.json"):
        JsonTokenizer(content, "mine.json")


def test_a_tokenizer_that_loses_text_is_refused():
    word_piece = json.loads(byte_level_tokenizer(TEXTS).content)
    word_piece["decoder"] = {"type": "WordPiece", "prefix": "##", "cleanup": True}
    with pytest.raises(TokenizerError, match=r"WordPiece.*expected a byte-level BPE"):
        JsonTokenizer(json.dumps(word_piece).encode())


def test_a_tokenizer_that_truncates_or_pads_is_used_whole():
    limited = json.loads(byte_level_tokenizer(TEXTS).content)
    limited["truncation"] = {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}
    text = "many more tokens than two"
    assert "".join(pieces(JsonTokenizer(json.dumps(limited).encode()), text)) == text
    assert len(JsonTokenizer(json.dumps(limited).encode()).encode_batch([text])[0]) > 2


def test_a_text_that_a_tokenizer_has_no_tokens_for_is_refused():
    parsed = json.loads(byte_level_tokenizer(TEXTS).content)
    model = parsed["model"]
    model["vocab"]["never seen"] = model["vocab"].pop("\u0120")  # the space
    model["merges"], model["unk_token"] = [], "none"
    model["vocab"] = {piece: id_ for piece, id_ in model["vocab"].items() if len(piece) == 1 or piece == "never seen"}
    model["vocab"] = {piece: id_ for id_, piece in enumerate(sorted(model["vocab"], key=model["vocab"].get))}
    tokenizer = JsonTokenizer(json.dumps(parsed).encode())
    assert len(tokenizer.encode("days").token_ids) == 4
    for encode in (tokenizer.encode, lambda text: tokenizer.encode_batch([text])):
        with pytest.raises(TokenizerError, match=r"cannot encode a text .*expected its unk_token in its vocabulary"):
            encode("two days")


def test_an_index_opens_with_its_own_tokenizer_only(tmp_path):
    texts = ["some text to learn from"]
    index = write_index(tmp_path / "index", [texts], byte_level_tokenizer(texts))
    manifest = IndexManifest.load(index)
    assert open_tokenizer(index, manifest).sha256 == manifest.tokenizer_sha256
    (index / TOKENIZER_FILE).write_bytes(byte_level_tokenizer(["another text altogether"]).content)
    with pytest.raises(TokenizerError, match="the index was built with"):
        open_tokenizer(index, manifest)
    (index / TOKENIZER_FILE).unlink()
    with pytest.raises(TokenizerError, match=r"cannot read the tokenizer"):
        open_tokenizer(index, manifest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model["vocab"].update(far=2**31), "token of id 2147483648, expected at most"),
        (lambda model: model["vocab"].update(far=2**63), "not a tokenizer.json"),
        (lambda model: model["vocab"].update(far=-1), "not a tokenizer.json"),
        (lambda model: model.update(continuing_subword_prefix="x" * 12), "not a tokenizer.json"),
    ],
    ids=["far id", "id of 64 bits", "negative id", "prefix over which the package breaks off"],
)
def test_a_hostile_tokenizer_is_refused(change: Callable[[dict[str, Any]], None], message: str) -> None:
    parsed = json.loads(byte_level_tokenizer(["a text of texts"] * 9).content)
    change(parsed["model"])
    with pytest.raises(TokenizerError, match=message):
        JsonTokenizer(json.dumps(parsed).encode())
