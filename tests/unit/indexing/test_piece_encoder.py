import json

import pytest

import indexing.piece_encoder
from index_format.tokenizer import JsonTokenizer
from indexing.piece_encoder import BYTES_A_PIECE, SEPARATOR, PieceEncoder
from indexing.word_pieces import word_cuts
from tests.unit.indexing.space_marked import TRAINING_TEXTS, json_tokenizer, parsed_tokenizer

TOKENIZER = json_tokenizer(parsed_tokenizer())


def encoder_of(tokenizer: JsonTokenizer, most_remembered: int) -> PieceEncoder:
    cuts = word_cuts(json.loads(tokenizer.content))
    assert cuts is not None
    return PieceEncoder(tokenizer, cuts, memory_bytes=most_remembered * BYTES_A_PIECE)


def assert_same_tokens(encoder: PieceEncoder, texts: list[str]) -> None:
    found = [token_ids.tolist() for token_ids in encoder.encode_batch(texts)]
    assert found == [token_ids.tolist() for token_ids in TOKENIZER.encode_batch(texts)]


def test_forgetting_words_changes_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.piece_encoder, "_LONGEST_REMEMBERED", 2)
    encoder = encoder_of(TOKENIZER, 6)
    for text in (*TRAINING_TEXTS, "the the the", *TRAINING_TEXTS):
        assert_same_tokens(encoder, [text])
    assert len(encoder._before) <= 40


def test_a_word_that_comes_up_again_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoder_of(TOKENIZER, 8)
    for number in range(100):
        assert_same_tokens(encoder, [f"the cat sat {'abcdefghij'[number % 10]}{'klmnopqrst'[number // 10]}"])
        assert len(encoder._lately) + len(encoder._before) <= 8 + 2 * 5
    encoded: list[str] = []
    encode = encoder._encode
    monkeypatch.setattr(encoder, "_encode", lambda pieces: encode(encoded.extend(pieces) or pieces))
    assert_same_tokens(encoder, ["the cat sat on"])
    assert encoded == ["\u2581on"]


def test_long_words_are_not_remembered() -> None:
    encoder = encoder_of(TOKENIZER, 1000)
    assert_same_tokens(encoder, ["\u4e2d" * 1000])
    assert not encoder._lately


def test_many_new_words_come_back_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.piece_encoder, "_PIECES_AT_ONCE", 3)
    assert_same_tokens(encoder_of(TOKENIZER, 1000), [*TRAINING_TEXTS, "", "one two three four five six seven"])


@pytest.mark.parametrize("text", [SEPARATOR, f"the{SEPARATOR}cat", SEPARATOR * 3])
def test_text_that_looks_like_what_joins_pieces_has_its_own_tokens(text: str) -> None:
    assert_same_tokens(encoder_of(TOKENIZER, 1000), [text, f"the cat {text} sat", "the cat sat"])
