"""Reads ranges of documents of a shard, in ascending order and bounded memory."""

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED
from index_format.manifest import ShardManifest
from index_format.removed_documents import DocumentNumbers

Starts = npt.NDArray[np.int64]

_OFFSET = np.dtype("<u8")
# In place of the line of a document without metadata, where documents of other shards have some.
_NO_METADATA = b"{}\n"


class ShardReader:
    """The documents of one shard, and which of them are removed."""

    def __init__(self, folder: Path, manifest: ShardManifest, removed: DocumentNumbers):
        self.manifest = manifest
        self.num_documents = manifest.num_documents
        self._folder = folder
        self._removed = removed.astype(np.int64)
        self._has_metadata = METADATA in manifest.files
        self._files: dict[str, BinaryIO] = {}
        self._stack = ExitStack()

    @property
    def num_kept(self) -> int:
        """Documents that are not removed."""
        return self.num_documents - len(self._removed)

    def __enter__(self) -> Self:
        names = (TOKENIZED, OFFSET, METADATA, METAOFF) if self._has_metadata else (TOKENIZED, OFFSET)
        for name in names:
            self._files[name] = self._stack.enter_context((self._folder / name).open("rb", buffering=0))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def kept(self, start: int, end: int) -> npt.NDArray[np.bool_]:
        """Returns, for each of the documents ``[start, end)``, whether it is kept."""
        kept = np.ones(end - start, dtype=np.bool_)
        first, last = np.searchsorted(self._removed, (start, end))
        kept[self._removed[first:last] - start] = False
        return kept

    def text_starts(self, start: int, end: int) -> Starts:
        """Returns where each of the documents ``[start, end)`` begins in the text, in bytes, and the last ends."""
        return self._starts(OFFSET, TOKENIZED, start, end)

    def line_starts(self, start: int, end: int) -> Starts:
        """Returns the same for their metadata lines."""
        if not self._has_metadata:
            return np.arange(start, end + 1, dtype=np.int64) * len(_NO_METADATA)
        return self._starts(METAOFF, METADATA, start, end)

    def text(self, start: int, end: int) -> bytes:
        """Returns the bytes ``[start, end)`` of the text."""
        return self._read(TOKENIZED, start, end)

    def lines(self, start: int, end: int) -> bytes:
        """Returns the bytes ``[start, end)`` of the metadata; without any, both are where lines start."""
        if not self._has_metadata:
            return _NO_METADATA * ((end - start) // len(_NO_METADATA))
        return self._read(METADATA, start, end)

    def _starts(self, starts_name: str, name: str, start: int, end: int) -> Starts:
        wanted = min(end + 1, self.num_documents) - start
        file = self._files[starts_name]
        file.seek(start * _OFFSET.itemsize)
        starts = np.fromfile(file, _OFFSET, wanted).astype(np.int64)
        if end == self.num_documents:
            starts = np.append(starts, self.manifest.files[name].size_bytes)
        return starts

    def _read(self, name: str, start: int, end: int) -> bytes:
        file = self._files[name]
        file.seek(start)
        pieces = []
        while start < end and (piece := file.read(end - start)):
            pieces.append(piece)
            start += len(piece)
        assert start == end, f"{self._folder / name} ends before byte {end}: it has its published size"
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
