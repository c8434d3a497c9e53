r"""Cuts texts for byte-level BPE tokenizers (GPT-2 and its heirs) just where their own pre-tokenizer does.

The pre-tokenizer splits a text into words by a regular expression, and the model knows nothing of a word's neighbours.
So the words, found by the same expression in Python, have the tokens of the whole text. Python lacks ``\p{L}`` and has
its own ``\s``: the characters of each class are asked of the tokenizers package itself, once, all of the Basic
Multilingual Plane. A text with any other character is encoded whole; so is one that is not in the normal form that the
tokenizer brings texts into, one that holds the text of an added token, and everything if the expression is another.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import tokenizers
from tokenizers import pre_tokenizers

from index_format.vocabulary import byte_level_alphabet
from indexing.piece_encoder import Cuts

_GPT_2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
# GPT-4's, of dolma2 and Llama-3 among others, and Qwen's, which takes digits one by one.
_GPT_4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_QWEN = _GPT_4.replace(r"\p{N}{1,3}", r"\p{N}")
# The same for Python, alternatives in the same order; <L>, <N> and <S> stand for the characters of \p{L}, \p{N} and \s.
_GPT_4_IN_PYTHON = (
    r"'(?:[sdmtSDMT]|[lL][lL]|[vV][eE]|[rR][eE])|[^\r\n<L><N>]?[<L>]+|[<N>]{1,3}| ?[^<S><L><N>]+[\r\n]*|[<S>]*[\r\n]+"
    r"|[<S>]+(?![^<S>])|[<S>]+"
)
_IN_PYTHON = {
    _GPT_2: r"'(?:[sdmt]|ll|ve|re)| ?[<L>]+| ?[<N>]+| ?[^<S><L><N>]+|[<S>]+(?![^<S>])|[<S>]+",
    _GPT_4: _GPT_4_IN_PYTHON,
    _QWEN: _GPT_4_IN_PYTHON.replace("[<N>]{1,3}", "[<N>]"),
}
# What the package takes for a small letter, or two, where case is ignored: long s, the Kelvin sign, two ligatures.
_FOLDED = "\u017f\u212a\ufb05\ufb06"
_EMOJI = range(0x1F300, 0x1F650)


def byte_level_cuts(parsed: Mapping[str, Any]) -> Cuts | None:
    """Returns where texts of a parsed ``tokenizer.json`` may be cut, or None if it is of no make that is known here."""
    pattern = _IN_PYTHON.get(_expression(parsed) or "")
    normalizer = parsed.get("normalizer")
    if pattern is None or normalizer not in (None, {"type": "NFC"}) or parsed["model"].get("dropout"):
        return None
    added = parsed.get("added_tokens") or ()
    spaces = _runs_of_spaces(added)
    contents = {token["content"] for token in added} - set(spaces)
    if not all(content and unicodedata.is_normalized("NFC", content) for content in contents):
        return None
    classes = _classes()
    cutter = _Cutter(
        words=re.compile(_with_classes(pattern, classes)),
        unknown=classes.unknown if normalizer is None else _or_unassigned(classes.unknown),
        normal_form=normalizer is not None,
        added=tuple(contents),
        beginnings=tuple({content[:2] for content in contents}),
        spaces=re.compile(f"( {{2,{len(spaces) + 1}}})") if spaces else None,
    )
    return Cuts(cutter.pieces, _speller(), spaces)


@dataclass(frozen=True, slots=True)
class _Cutter:
    """The cuts of one tokenizer. ``spaces`` finds the runs of spaces that are added tokens, if there are such."""

    words: re.Pattern[str]
    unknown: re.Pattern[str]
    normal_form: bool
    added: Sequence[str]
    beginnings: Sequence[str]
    spaces: re.Pattern[str] | None

    def pieces(self, text: str) -> Sequence[str] | None:
        """Returns the words of a text, or None if it must be encoded whole."""
        if not text.isascii():
            if self.unknown.search(text) is not None:
                return None
            if self.normal_form and not unicodedata.is_normalized("NFC", text):
                return None
        # Many added tokens begin alike, and few texts hold what they begin with.
        if any(start in text for start in self.beginnings) and any(content in text for content in self.added):
            return None
        if self.spaces is None or "  " not in text:
            return self.words.findall(text)
        # Added tokens are taken out first, and what is between them is split on its own.
        words: list[str] = []
        parts = self.spaces.split(text)
        for between, spaces in zip(parts[::2], [*parts[1::2], ""], strict=True):
            words += self.words.findall(between)
            if spaces:
                words.append(spaces)
        return words


def _expression(parsed: Mapping[str, Any]) -> str | None:
    """Returns the regular expression by which a tokenizer splits texts, None if it does otherwise."""
    splitter = parsed.get("pre_tokenizer") or {}
    if splitter.get("type") == "ByteLevel":
        return _GPT_2 if splitter.get("use_regex", True) and not splitter["add_prefix_space"] else None
    steps = splitter.get("pretokenizers") or []
    if splitter.get("type") != "Sequence" or [step["type"] for step in steps] != ["Split", "ByteLevel"]:
        return None
    split, to_bytes = steps[0], steps[1]
    if to_bytes.get("use_regex", True) or to_bytes["add_prefix_space"]:
        return None
    if split["behavior"] != "Isolated" or split["invert"]:
        return None
    expression: str | None = split["pattern"].get("Regex")
    return expression


def _runs_of_spaces(added: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Returns the ids of added tokens that are runs of 2, 3, ... spaces, none missing; else none at all."""
    runs = {
        token["content"]: token["id"]
        for token in added
        if len(token["content"]) > 1
        and not token["content"].strip(" ")
        and not any(token.get(flag) for flag in ("single_word", "lstrip", "rstrip"))
    }
    return runs if {len(run) for run in runs} == set(range(2, len(runs) + 2)) else {}


@dataclass(frozen=True, slots=True)
class _Classes:
    """Characters of the tokenizers package's classes, as ranges for Python, and those of which nothing is known."""

    letters: str
    numbers: str
    spaces: str
    unknown: re.Pattern[str]


@lru_cache(maxsize=1)
def _classes() -> _Classes:
    """Asks the tokenizers package for its classes; 0.1 s."""
    asked = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000] + [chr(code) for code in _EMOJI]
    everything = "".join(asked)
    letters, numbers, spaces = (_matching(everything, expression) for expression in (r"\p{L}", r"\p{N}", r"\s"))
    known = set(asked) - set(_FOLDED)
    return _Classes(_ranges(letters), _ranges(numbers), _ranges(spaces), re.compile(f"[^{_ranges(known)}]"))


def _matching(text: str, expression: str) -> set[str]:
    """Returns the characters of ``text`` that the tokenizers package finds to match an expression."""
    rest = pre_tokenizers.Split(tokenizers.Regex(expression), "removed").pre_tokenize_str(text)
    return set(text).difference(*(part for part, _ in rest))


def _or_unassigned(unknown: re.Pattern[str]) -> re.Pattern[str]:
    """Adds the characters that Python's Unicode lacks: only of others is it sure that newer versions keep the form."""
    unassigned = {chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) == "Cn"}
    return re.compile(f"{unknown.pattern}|[{_ranges(unassigned)}]")


def _ranges(characters: Iterable[str]) -> str:
    """Returns characters for between the brackets of an expression."""
    bounds: list[list[int]] = []
    for code in sorted(map(ord, characters)):
        if bounds and bounds[-1][1] == code - 1:
            bounds[-1][1] = code
        else:
            bounds.append([code, code])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in bounds)


def _with_classes(pattern: str, classes: _Classes) -> str:
    """Fills in the ranges of the classes."""
    for name, ranges in (("<L>", classes.letters), ("<N>", classes.numbers), ("<S>", classes.spaces)):
        pattern = pattern.replace(name, ranges)
    return pattern


def _speller() -> Callable[[str], str]:
    """Returns how byte-level tokenizers write a text: a printable stand-in for each byte of its UTF-8."""
    alphabet = {byte: character for character, byte in byte_level_alphabet().items()}
    return lambda text: text.encode().decode("latin-1").translate(alphabet)
