"""Cuts texts for SentencePiece-style BPE tokenizers where no merge joins.

BPE merges neighbouring tokens, so the tokens on both sides of a cut are independent if no merge can join across it. A
SentencePiece-style tokenizer has no pre-tokenizer: the whole document is one word to it, and encoding it costs more
than its length. But its merges are known, and from them follow three kinds of cut that none crosses:

- before a space mark that follows any other character, if no merge gives a token with the mark after another character;
- on both sides of an ASCII character that no merge gives a token with (in Llama-2: digits, newlines, tabs);
- between an ASCII punctuation mark and another character, if no merge gives a token with a mark beside that character.

Between such cuts lie words. A document that holds the text of an added token is encoded whole, and so is everything
when the tokenizer is of any other make.
"""

import re
import string
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from index_format.vocabulary import fallback_byte
from indexing.piece_encoder import Cuts

_SPACE_MARK = "\u2581"
_TO_SPACE_MARK = {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE_MARK}
_PREPEND = {"type": "Prepend", "prepend": _SPACE_MARK}
# Settings under which a merge depends on more than the two tokens it joins.
_PLAIN_SETTINGS = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges")


def word_cuts(parsed: Mapping[str, Any]) -> Cuts | None:
    """Returns where texts of a parsed ``tokenizer.json`` may be cut, or None if it is of no make that is known here."""
    if (prefix := _prefix_of(parsed)) is None or (pattern := _pieces_pattern(parsed["model"])) is None:
        return None
    added = _added_tokens(parsed)

    def pieces(text: str) -> Sequence[str] | None:
        if added and added.search(text):
            return None
        return pattern.findall(prefix + text.replace(" ", _SPACE_MARK)) if text else []

    return Cuts(pieces)


def _added_tokens(parsed: Mapping[str, Any]) -> re.Pattern[str] | None:
    contents = [token["content"] for token in parsed.get("added_tokens") or () if token["content"]]
    return re.compile("|".join(map(re.escape, contents))) if contents else None


def _prefix_of(parsed: Mapping[str, Any]) -> str | None:
    """Returns what the normalizer puts before a text, or None if it does more than that and marking spaces."""
    if parsed.get("pre_tokenizer") is not None:
        return None
    # An added token is looked for in the normalized text too, where it could match what the text does not hold.
    if any(token.get("normalized") for token in parsed.get("added_tokens") or ()):
        return None
    normalizer = parsed.get("normalizer")
    if normalizer == _TO_SPACE_MARK:
        return ""
    if normalizer == {"type": "Sequence", "normalizers": [_PREPEND, _TO_SPACE_MARK]}:
        return _SPACE_MARK
    return None


def _pieces_pattern(model: Mapping[str, Any]) -> re.Pattern[str] | None:
    """Returns a pattern whose matches tile any normalized text and meet only where no merge joins, or None."""
    if model.get("type") != "BPE" or any(model.get(setting) for setting in _PLAIN_SETTINGS):
        return None
    vocabulary = model["vocab"]
    # With a token for every byte nothing is unknown, and unknown neighbours are what BPE may fuse without a merge.
    all_bytes = all(f"<0x{byte:02X}>" in vocabulary for byte in range(256))
    if not model.get("byte_fallback") or not all_bytes or _SPACE_MARK not in vocabulary:
        return None
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    if any(len(merge) != 2 or any(fallback_byte(part) is not None for part in merge) for merge in merges):
        return None
    merged = {left + right for left, right in merges}
    if any(_SPACE_MARK in token.lstrip(_SPACE_MARK) for token in merged):
        return None
    return _compile_pattern(merged)


def _compile_pattern(merged: Iterable[str]) -> re.Pattern[str]:
    neighbours = {pair for token in merged for pair in pairwise(token)}
    in_merges = {character for pair in neighbours for character in pair}
    lone = {chr(code) for code in range(128)} - in_merges
    marks = set(string.punctuation) - lone
    # Characters that merge with a punctuation mark (in Llama-2: some quotation marks, dashes and a superscript).
    tangled = {
        other
        for pair in neighbours
        for mark, other in (pair, pair[::-1])
        if mark in marks and other not in marks and other != _SPACE_MARK
    }
    space, alone, mark, tangle = (_class_of(group) for group in ({_SPACE_MARK}, lone, marks, tangled))
    tail = f"(?:[{tangle}][^{alone}{space}]*)?" if tangled else ""
    word = f"[^{alone}{mark}{tangle}{space}]+{tail}"
    kinds = [word]
    if marks:
        kinds.append(f"[{mark}]+{tail}")
    if tangled:
        kinds.append(f"[{tangle}][^{alone}{space}]*")
    pattern = f"{space}*(?:{'|'.join(kinds)})|{space}+"
    return re.compile(f"[{alone}]|{pattern}" if lone else pattern)


def _class_of(characters: Iterable[str]) -> str:
    return "".join(re.escape(character) for character in sorted(characters))
