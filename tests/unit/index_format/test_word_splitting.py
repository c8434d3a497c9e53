import pytest
import tokenizers

from index_format.word_splitting import split_words

BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
MARK = "\u2581"


def model_of(pieces, **settings):
    """Returns a SentencePiece-style BPE with these pieces, each of two characters or one, beside the byte tokens."""
    vocab = {piece: id_ for id_, piece in enumerate([*BYTE_TOKENS, *pieces])}
    merges = [[piece[0], piece[1:]] for piece in pieces if len(piece) > 1]
    return {"type": "BPE", "vocab": vocab, "merges": merges, "byte_fallback": True, **settings}


def split_of(model, **file):
    """Returns the words that a tokenizer with this model makes of a text, or None if it leaves texts whole."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    split_words(tokenizer, {"model": model, **file})
    if tokenizer.pre_tokenizer is None:
        return None
    return [word for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(f"{MARK}a.\nb{MARK}{MARK}c{MARK}")]


def test_words_begin_with_their_spaces_and_lose_nothing():
    assert split_of(model_of(["a", MARK, MARK + "a"])) == [f"{MARK}a.\nb", f"{MARK}{MARK}c", MARK]


@pytest.mark.parametrize(
    ("model", "file"),
    [
        (model_of(["a", MARK, "a" + MARK]), {}),
        (model_of(["a"], byte_fallback=False), {}),
        (model_of(["a"], dropout=0.1), {}),
        (model_of(["a"], ignore_merges=True), {}),
        (model_of(["a"], end_of_word_suffix="</w>"), {}),
        (model_of(["a"]), {"pre_tokenizer": {"type": "Whitespace"}}),
        ({"vocab": {"a": 0}, "byte_fallback": True}, {}),
    ],
    ids=[
        "token past a word",
        "no byte fallback",
        "dropout",
        "whole words",
        "suffix",
        "splits itself",
        "no byte tokens",
    ],
)
def test_a_tokenizer_whose_tokens_splitting_could_change_is_left_alone(model, file):
    assert split_of(model, **file) is None
