"""Token id to bytes: how the tokens of an index are turned back into text, without the tokenizer.

Two families of tokenizer are lossless and so are supported: byte-level BPE (GPT-2 and its heirs) and SentencePiece-
style BPE with byte fallback (Llama-2). `Vocabulary` is plain data; the engine decodes with it and equals the
tokenizer's own ``decode(ids, skip_special_tokens=False)``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from index_format.errors import TokenizerError

_SPACE_MARK = "\u2581"
# 40 times the largest vocabulary there is. Every id up to the largest takes memory, in each process.
_MOST_IDS = 10_000_000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The bytes of every token id.

    ``pieces[id]`` is empty for an id that no token has. ``fallback_ids`` are the byte tokens of a SentencePiece-style
    vocabulary: a run of them is text where it is valid UTF-8 and one replacement character a byte where it is not.
    With ``byte_level`` the concatenated bytes are decoded as UTF-8 as a whole instead.
    """

    pieces: tuple[bytes, ...]
    fallback_ids: tuple[int, ...]
    byte_level: bool
    strip_leading_space: bool

    @property
    def size(self) -> int:
        """Number of ids, the empty ones included."""
        return len(self.pieces)


def byte_vocabulary() -> Vocabulary:
    """Returns the vocabulary of a raw-byte index: token id = byte, 0 to 255."""
    return Vocabulary(tuple(bytes([b]) for b in range(256)), (), byte_level=True, strip_leading_space=False)


def vocabulary_of(tokenizer: Mapping[str, Any]) -> Vocabulary:
    """Returns the vocabulary of a parsed ``tokenizer.json``.

    Raises:
        TokenizerError: its decoder is of neither supported family.
    """
    tokens = tokens_by_id(tokenizer)
    decoders = _decoders(tokenizer.get("decoder"))
    kinds = [decoder.get("type") for decoder in decoders]
    if kinds == ["ByteLevel"]:
        to_byte = byte_level_alphabet()
        return Vocabulary(
            tuple(_byte_level_piece(token, to_byte) for token in tokens),
            (),
            byte_level=True,
            strip_leading_space=False,
        )
    if kinds == ["Replace", "ByteFallback", "Fuse", "Strip"] or kinds == ["Replace", "ByteFallback", "Fuse"]:
        replace, strip = decoders[0], decoders[-1] if kinds[-1] == "Strip" else None
        plain_replace = replace.get("pattern") == {"String": _SPACE_MARK} and replace.get("content") == " "
        plain_strip = strip is None or (strip.get("content"), strip.get("start"), strip.get("stop")) == (
            " ",
            1,
            0,
        )
        if plain_replace and plain_strip:
            fallback = {id_: byte for id_, token in enumerate(tokens) if (byte := fallback_byte(token)) is not None}
            pieces = tuple(
                bytes([fallback[id_]]) if id_ in fallback else token.replace(_SPACE_MARK, " ").encode()
                for id_, token in enumerate(tokens)
            )
            return Vocabulary(pieces, tuple(fallback), byte_level=False, strip_leading_space=strip is not None)
    raise TokenizerError(
        f"tokenizer has decoder {kinds or None}, expected a byte-level BPE (ByteLevel) or a SentencePiece-style BPE "
        "(Replace, ByteFallback, Fuse, Strip): other tokenizers cannot give a document's text back exactly"
    )


def tokens_by_id(tokenizer: Mapping[str, Any]) -> list[str]:
    """Returns the token strings of a parsed ``tokenizer.json`` in id order, added tokens included, gaps empty."""
    vocab = tokenizer.get("model", {}).get("vocab")
    if not isinstance(vocab, dict):
        kind = tokenizer.get("model", {}).get("type")
        raise TokenizerError(f"tokenizer has a model of type {kind!r}, expected a BPE with a vocabulary of strings")
    ids = dict(vocab)
    ids.update({added["content"]: added["id"] for added in tokenizer.get("added_tokens") or ()})
    last = max(ids.values(), default=-1)
    if last >= _MOST_IDS:
        raise TokenizerError(f"tokenizer has a token of id {last}, expected at most {_MOST_IDS - 1}")
    tokens = [""] * (last + 1)
    for token, id_ in ids.items():
        tokens[id_] = token
    return tokens


def fallback_byte(token: str) -> int | None:
    """Returns the byte that a byte-fallback token like ``<0x0A>`` stands for, or None for any other token."""
    if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
        try:
            return int(token[3:5], 16)
        except ValueError:
            return None
    return None


def _decoders(decoder: Any) -> list[dict[str, Any]]:
    if decoder is None:
        return []
    return list(decoder["decoders"]) if decoder.get("type") == "Sequence" else [decoder]


def _byte_level_piece(token: str, to_byte: Mapping[str, int]) -> bytes:
    # An added token may hold characters outside the alphabet; the ByteLevel decoder then takes its UTF-8 as it is.
    if all(character in to_byte for character in token):
        return bytes(to_byte[character] for character in token)
    return token.encode()


def byte_level_alphabet() -> dict[str, int]:
    """Returns GPT-2's printable stand-in for each byte, inverted (Radford et al. 2019, ``bytes_to_unicode``)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    alphabet = {chr(byte): byte for byte in printable}
    others = (byte for byte in range(256) if byte not in set(printable))
    alphabet.update({chr(256 + index): byte for index, byte in enumerate(others)})
    return alphabet
