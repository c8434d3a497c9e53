"""The tokenizer of an index: one class for ``tokenizer.json`` files, one for raw bytes, behind one protocol."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt
import tokenizers

from index_format.errors import TokenizerError
from index_format.manifest import IndexManifest
from index_format.token_boundaries import Boundaries, boundaries_of_offsets, boundaries_of_pieces, characters_before
from index_format.vocabulary import Vocabulary, byte_vocabulary, vocabulary_of
from index_format.word_splitting import split_words
from index_format.word_starts import word_start_ids

RAW_BYTES = "bytes"

TokenIds: TypeAlias = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class TokenizedText:
    """A text as n tokens.

    ``boundaries`` are n + 1 character offsets (see `token_boundaries`): token i is
    ``text[boundaries[i]:boundaries[i + 1]]``. ``word_starts[i]`` says whether a word may start at token i.
    """

    token_ids: TokenIds
    boundaries: Boundaries
    word_starts: npt.NDArray[np.bool_]


class Tokenizer(Protocol):
    """What building and tracing need of a tokenizer."""

    @property
    def sha256(self) -> str:
        """Content hash of the tokenizer file; what an index and its queries must agree on."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The bytes of every token id."""

    def encode(self, text: str) -> TokenizedText:
        """Returns the tokens of a query with their character offsets and word starts. No special tokens are added.

        Raises:
            TokenizerError: the tokenizer has no token for something in the text, and none for what is unknown.
        """

    def encode_batch(self, texts: Sequence[str]) -> list[TokenIds]:
        """Returns the token ids of many documents, on all cores. No special tokens are added.

        Raises:
            TokenizerError: as `encode`.
        """

    def ids_of(self, text: str) -> frozenset[int]:
        """Returns the ids of the tokens whose text is exactly ``text``; empty if no single token is."""


class JsonTokenizer:
    """A tokenizer from a ``tokenizer.json`` file of the `tokenizers` package."""

    def __init__(self, content: bytes, name: str = "tokenizer.json"):
        """Parses ``content``; ``name`` is what errors call it.

        Raises:
            TokenizerError: the file is not a tokenizer, or one that cannot give text back exactly.
        """
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        try:
            parsed: dict[str, Any] = json.loads(content)
            self._tokenizer = tokenizers.Tokenizer.from_str(content.decode())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a bare Exception for every fault in the file; over some the package breaks off
            raise TokenizerError(f"{name}: not a tokenizer.json file of the tokenizers package ({error})") from error
        # A file saved for training may cut or pad its output; an index needs every token and no other.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.vocabulary = vocabulary_of(parsed)
        split_words(self._tokenizer, parsed)
        self._piece_lengths = np.fromiter(map(len, self.vocabulary.pieces), dtype=np.int64)
        self._starts_word = np.zeros(self.vocabulary.size, dtype=np.bool_)
        self._starts_word[list(word_start_ids(parsed, byte_level=self.vocabulary.byte_level))] = True
        self._ids_of_piece = _ids_by_piece(self.vocabulary.pieces)

    @classmethod
    def from_file(cls, path: Path) -> "JsonTokenizer":
        """Returns the tokenizer in a file.

        Raises:
            TokenizerError: there is no such file, or it holds no supported tokenizer.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise TokenizerError(f"{path}: cannot read the tokenizer ({error.strerror})") from error
        return cls(content, str(path))

    @property
    def model(self) -> tokenizers.models.Model:
        """What makes tokens of a word: the tokenizer without normalizer, pre-tokenizer and added tokens; shared."""
        model: tokenizers.models.Model = self._tokenizer.model
        return model

    def encode(self, text: str) -> TokenizedText:
        """See `Tokenizer.encode`."""
        # Without offsets, which take the package a quarter of its time; the bytes of the tokens tell them.
        ids: list[int] = encodings(self._tokenizer, [text])[0].ids
        token_ids = np.array(ids, dtype=np.uint32)
        joined = b"".join(map(self.vocabulary.pieces.__getitem__, ids))
        boundaries = boundaries_of_pieces(text, joined, self._piece_lengths[token_ids])
        if boundaries is None:  # the tokenizer normalizes the text
            offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
            boundaries = boundaries_of_offsets(text, offsets)
        return TokenizedText(token_ids, boundaries, self._starts_word[token_ids])

    def encode_batch(self, texts: Sequence[str]) -> list[TokenIds]:
        """See `Tokenizer.encode_batch`."""
        return [np.array(encoding.ids, dtype=np.uint32) for encoding in encodings(self._tokenizer, list(texts))]

    def ids_of(self, text: str) -> frozenset[int]:
        """See `Tokenizer.ids_of`."""
        return frozenset(self._ids_of_piece.get(text.encode(), ()))


def encodings(tokenizer: tokenizers.Tokenizer, texts: list[str]) -> list[tokenizers.Encoding]:
    """Returns what the package makes of texts, without offsets and special tokens.

    Raises:
        TokenizerError: as `Tokenizer.encode`.
    """
    try:
        return tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    except Exception as error:  # the package raises no other; what it says is of the file, as its unknown token
        raise TokenizerError(
            f"the tokenizer cannot encode a text ({error}); expected its unk_token in its vocabulary"
        ) from None


class ByteTokenizer:
    """The tokenizer of a raw-byte index: one token a byte of the UTF-8 text.

    A word starts at a byte that begins a character and is not in the middle of a run of letters and digits. No
    reference system traces bytes, so this rule is Headwater's own.
    """

    sha256 = hashlib.sha256(RAW_BYTES.encode()).hexdigest()

    def __init__(self) -> None:
        self.vocabulary = byte_vocabulary()

    def encode(self, text: str) -> TokenizedText:
        """See `Tokenizer.encode`."""
        content = text.encode()
        token_ids = np.frombuffer(content, dtype=np.uint8).astype(np.uint32)
        begins_character = (token_ids & 0xC0) != 0x80
        boundaries = characters_before(content).astype(np.uint32)
        inside_word = np.zeros(len(text) + 1, dtype=np.bool_)
        for word in _WORD.finditer(text):
            inside_word[word.start() + 1 : word.end()] = True
        word_starts = begins_character & ~inside_word[boundaries[:-1]]
        return TokenizedText(token_ids, boundaries, word_starts)

    def encode_batch(self, texts: Sequence[str]) -> list[TokenIds]:
        """See `Tokenizer.encode_batch`."""
        return [np.frombuffer(text.encode(), dtype=np.uint8).astype(np.uint32) for text in texts]

    def ids_of(self, text: str) -> frozenset[int]:
        """See `Tokenizer.ids_of`."""
        content = text.encode()
        return frozenset(content) if len(content) == 1 else frozenset()


def open_tokenizer(directory: Path, manifest: IndexManifest) -> Tokenizer:
    """Returns the tokenizer of the index in ``directory``.

    Raises:
        TokenizerError: the file is missing, unusable, or not the one that the manifest names by its hash.
    """
    tokenizer: Tokenizer = (
        ByteTokenizer() if manifest.tokenizer == RAW_BYTES else JsonTokenizer.from_file(directory / manifest.tokenizer)
    )
    if tokenizer.sha256 != manifest.tokenizer_sha256:
        raise TokenizerError(
            f"{directory / manifest.tokenizer}: tokenizer has sha256 {tokenizer.sha256}, "
            f"the index was built with {manifest.tokenizer_sha256}"
        )
    return tokenizer


_WORD = re.compile(r"[^\W_]+")


def _ids_by_piece(pieces: Sequence[bytes]) -> dict[bytes, tuple[int, ...]]:
    """Returns the ids that have a piece, for each piece. Few pieces have several, none is empty."""
    ids: dict[bytes, tuple[int, ...]] = {}
    for id_, piece in enumerate(pieces):
        if piece:
            ids[piece] = (*ids.get(piece, ()), id_)
    return ids
