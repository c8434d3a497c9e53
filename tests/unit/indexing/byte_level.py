"""Byte-level tokenizers of several makes, trained small, and texts that are hard to split."""

import json
from typing import Any

import tokenizers
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from index_format.tokenizer import JsonTokenizer

GPT_4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN = GPT_4.replace("{1,3}", "")
TEXTS = (
    "the cat's mat, THE CAT'S MAT. they're 12345 caf\u00e9s; x = [1, 2]\n\n    return  the\t mat!\r\n",
    "I'LL we've 'sat 'Sat \u4e2d\u6587 the  the   the    the 2024-01-01 (the) \u00b2 \u0661 \u2019s \u00a0the\u00a0cat",
)
MAKES: tuple[str, ...] = ("gpt-2", "gpt-4", "qwen", "olmo")
_SPLITTERS = {"gpt-4": GPT_4, "qwen": QWEN}


def parsed_byte_level(make: str) -> dict[str, Any]:
    """Returns a parsed ``tokenizer.json`` like that of a make; olmo's has NFC and runs of spaces as added tokens."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    if make in _SPLITTERS:
        split = pre_tokenizers.Split(tokenizers.Regex(_SPLITTERS[make]), "isolated")
        to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, to_bytes])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if make == "olmo":
        tokenizer.normalizer = tokenizers.normalizers.NFC()
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=380, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    if make == "olmo":
        tokenizer.add_tokens([tokenizers.AddedToken(" " * length, normalized=True) for length in range(9, 1, -1)])
        tokenizer.add_tokens([tokenizers.AddedToken("|||EMAIL|||", normalized=True)])
    parsed: dict[str, Any] = json.loads(tokenizer.to_str())
    return parsed


def json_tokenizer(parsed: dict[str, Any]) -> JsonTokenizer:
    """Returns the tokenizer of a parsed file."""
    return JsonTokenizer(json.dumps(parsed).encode())


_ALPHABET = (
    *"aAesStTrRlLvVmd", *"0129", *".,:()'-|<>", " ", "  ", "          ", "\n", "\t", "\r\n", "\r", "\x0b", "\x0c",
    "\x1c", "\x1f", "\x85", "\u00a0", "\u180e", "\u200b", "\u2028", "\u3000", "\ufeff", "\u2019", "\u017f", "\u212a",
    "\u00e9", "e\u0301", "\u0301", "\u00b2", "\u00bd", "\u0661", "\u2167", "\u4e2d", "\uac00", "\u1100\u1161",
    "\u0e01", "\u0378", "\ue000", "\ufb06", "\u02b0", "\u00aa", "\U0001f600", "\U0001d400", "\U0001f100",
    "\U0010ffff", "\x00", "\x7f", "'s", "'LL", "'\u017f", "<|endoftext|>", "|||EMAIL|||", "||", "<|",
)  # fmt: skip
_PHRASES = ("the cat", " the", "they're", "\n\n    return", "x = [1, 2]\n", "1234567", "!!\n\n", "?\n \n\nThe", " \n")
hard_texts = st.lists(st.sampled_from(_ALPHABET) | st.sampled_from(_PHRASES), max_size=25).map("".join)
