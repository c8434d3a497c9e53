"""Splitting a text into words before BPE, for tokenizers that leave it whole.

Llama-2's tokenizer runs BPE over the whole text at once. But none of its tokens goes on past the end of a word: the
space mark is only ever at a token's beginning. So no merge joins two words, and word by word gives the same tokens,
faster, for short words merge in fewer steps and are remembered.
"""

import re
from collections.abc import Mapping
from typing import Any

import tokenizers
from tokenizers import pre_tokenizers

_WORD = "\u2581+[^\u2581]*|[^\u2581]+"
_PAST_A_WORD = re.compile("[^\u2581]\u2581")
_BYTE_TOKENS = frozenset(f"<0x{byte:02X}>" for byte in range(256))


def split_words(tokenizer: tokenizers.Tokenizer, parsed: Mapping[str, Any]) -> None:
    """Makes ``tokenizer``, parsed from ``parsed``, split words before BPE if that changes no token of any text."""
    if _words_are_independent(parsed):
        tokenizer.pre_tokenizer = pre_tokenizers.Split(tokenizers.Regex(_WORD), "isolated")


def _words_are_independent(parsed: Mapping[str, Any]) -> bool:
    model = parsed["model"]
    is_plain_bpe = parsed.get("pre_tokenizer") is None and not any(
        model.get(name) for name in ("dropout", "ignore_merges", "continuing_subword_prefix", "end_of_word_suffix")
    )
    # Without a token for every byte there are unknown characters, and BPE may fuse those of two words into one token.
    has_every_byte = bool(model.get("byte_fallback")) and model["vocab"].keys() >= _BYTE_TOKENS
    return is_plain_bpe and has_every_byte and not any(map(_PAST_A_WORD.search, model["vocab"]))
