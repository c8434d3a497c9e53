import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_format.tokenizer import JsonTokenizer
from indexing.piece_encoder import PieceEncoder
from indexing.word_pieces import word_cuts
from tests.tiny_index import byte_level_tokenizer
from tests.unit.indexing.space_marked import TRAINING_TEXTS, hard_texts, json_tokenizer, parsed_tokenizer

TRAINED = json_tokenizer(parsed_tokenizer())


def encoder_of(tokenizer: JsonTokenizer) -> PieceEncoder:
    cuts = word_cuts(json.loads(tokenizer.content))
    assert cuts is not None
    return PieceEncoder(tokenizer, cuts)


def assert_same_tokens(encoder: PieceEncoder, tokenizer: JsonTokenizer, texts: list[str]) -> None:
    found = [token_ids.tolist() for token_ids in encoder.encode_batch(texts)]
    assert found == [token_ids.tolist() for token_ids in tokenizer.encode_batch(texts)]


TRAINED_ENCODER = encoder_of(TRAINED)


@given(texts=st.lists(hard_texts, max_size=5))
def test_pieces_have_the_tokens_of_the_whole_text(texts: list[str]) -> None:
    assert_same_tokens(TRAINED_ENCODER, TRAINED, texts)


@given(texts=st.lists(st.text(max_size=60), max_size=5))
def test_pieces_of_any_unicode_text_have_its_tokens(texts: list[str]) -> None:
    assert_same_tokens(TRAINED_ENCODER, TRAINED, texts)


@given(text=hard_texts)
def test_pieces_tile_the_normalized_text(text: str) -> None:
    cuts = word_cuts(parsed_tokenizer())
    assert cuts is not None
    if (pieces := cuts.pieces(text)) is not None:
        assert "".join(pieces) == ("\u2581" + text.replace(" ", "\u2581") if text else "")


def test_training_texts_exercise_merges_within_pieces() -> None:
    ids = TRAINED.encode_batch(TRAINING_TEXTS)
    assert all(len(token_ids) < len(text) * 0.8 for token_ids, text in zip(ids, TRAINING_TEXTS, strict=True))


def test_a_text_with_an_added_token_is_encoded_whole() -> None:
    assert_same_tokens(TRAINED_ENCODER, TRAINED, ["the <s> cat", "<s>", "a</s>b", "<unk>", "", "the cat"])


def changed(**fields: Any) -> dict[str, Any]:
    return parsed_tokenizer() | fields


def without_byte() -> dict[str, Any]:
    parsed = parsed_tokenizer()
    del parsed["model"]["vocab"]["<0x0A>"]
    return parsed


def with_merge(left: str, right: str) -> dict[str, Any]:
    parsed = parsed_tokenizer()
    vocabulary = parsed["model"]["vocab"]
    for token in (left, right, left + right):
        vocabulary.setdefault(token, max(vocabulary.values()) + 1)
    parsed["model"]["merges"].append([left, right])
    return parsed


def with_normalized_added_token() -> dict[str, Any]:
    parsed = parsed_tokenizer()
    parsed["added_tokens"][1]["normalized"] = True
    return parsed


@pytest.mark.parametrize(
    "parsed",
    [
        with_merge("e", "\u2581"),
        with_merge("e\u2581", "a"),
        with_merge("<0x41>", "a"),
        without_byte(),
        with_normalized_added_token(),
        parsed_tokenizer(byte_fallback=False),
        parsed_tokenizer(ignore_merges=True),
        parsed_tokenizer(dropout=0.1),
        changed(normalizer={"type": "NFC"}),
        changed(pre_tokenizer={"type": "Whitespace"}),
    ],
    ids=lambda parsed: "",
)
def test_a_tokenizer_whose_cuts_cannot_be_proved_is_not_cut(parsed: dict[str, Any]) -> None:
    assert word_cuts(parsed) is None


def test_a_byte_level_tokenizer_is_not_cut() -> None:
    assert word_cuts(json.loads(byte_level_tokenizer(["the cat sat"]).content)) is None


@pytest.mark.parametrize(
    ("left", "right"), [("t", "."), (".", "t"), ("0", "0"), ("\n", "\n"), ("'", "s"), ("\u00e9", "(")]
)
def test_a_merge_across_a_cut_of_other_tokenizers_moves_the_cut(left: str, right: str) -> None:
    tokenizer = json_tokenizer(with_merge(left, right))
    encoder = encoder_of(tokenizer)
    texts = [
        f"a{left}{right}b",
        f"{left}{right}{left}{right}",
        f"the cat{left}{right},(x",
        f" {left} {right} 1{right}2",
    ]
    assert_same_tokens(encoder, tokenizer, [*texts, *TRAINING_TEXTS])
    assert any(
        json.loads(tokenizer.content)["model"]["vocab"][left + right] in ids for ids in encoder.encode_batch(texts)
    )


@pytest.fixture(scope="module")
def llama_2(shared_data: Path) -> JsonTokenizer:
    return JsonTokenizer.from_file(shared_data / "tokenizers" / "llama-2.json")


def test_pieces_of_hard_texts_have_the_tokens_of_llama_2(llama_2: JsonTokenizer) -> None:
    encoder = encoder_of(llama_2)

    @given(texts=st.lists(hard_texts | st.text(max_size=40), max_size=10))
    def check(texts: list[str]) -> None:
        assert_same_tokens(encoder, llama_2, texts)

    check()


def test_pieces_of_real_texts_have_the_tokens_of_llama_2(llama_2: JsonTokenizer, shared_data: Path) -> None:
    lines = (shared_data / "conversations.jsonl").read_text().splitlines()
    texts = [record[field] for record in map(json.loads, lines) for field in ("prompt", "response")]
    assert_same_tokens(encoder_of(llama_2), llama_2, texts)
