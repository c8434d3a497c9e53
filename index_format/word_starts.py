"""The token ids at which a word may start.

A traced span starts at such a token and ends before one (OLMoTrace's "begin of word" set). The two rules below give the
sets that OLMoTrace publishes for its tokenizers, id for id: 18,796 of Llama-2's 32,000 and 44,644 of dolma2's 100,278
(infinigram-api, ``scripts/attribution/llama-2_bow_ids.txt`` and ``scripts/dump_dolma2_bow_ids.py``).
"""

from collections.abc import Mapping
from typing import Any

from index_format.vocabulary import fallback_byte, tokens_by_id

_SPACE_MARK = "\u2581"
# How byte-level BPE writes a leading space and a leading newline.
_BYTE_LEVEL_MARKS = ("\u0120", "\u010a")


def word_start_ids(tokenizer: Mapping[str, Any], *, byte_level: bool) -> frozenset[int]:
    """Returns the ids at which a word may start, for a parsed ``tokenizer.json``.

    Byte-level BPE: tokens that begin with a space or a newline. SentencePiece style: tokens that begin with the space
    mark, single characters, byte-fallback tokens, and special tokens.
    """
    tokens = tokens_by_id(tokenizer)
    if byte_level:
        return frozenset(id_ for id_, token in enumerate(tokens) if token.startswith(_BYTE_LEVEL_MARKS))
    special = {added["id"] for added in tokenizer.get("added_tokens") or () if added.get("special")}
    return frozenset(
        id_
        for id_, token in enumerate(tokens)
        if token.startswith(_SPACE_MARK) or len(token) == 1 or fallback_byte(token) is not None or id_ in special
    )
