"""One shard of an index, as its statistics are read from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index_format.layout import OFFSET, TABLE, TOKENIZED

# Documents whose offsets are looked at together.
DOCUMENTS_A_BLOCK = 1 << 16


@dataclass(frozen=True, slots=True)
class StatisticsShard:
    """A shard folder and its counts, those of its manifest."""

    folder: Path
    number: int
    token_width: int
    num_tokens: int
    num_documents: int
    is_accelerated: bool

    @property
    def text_bytes(self) -> int:
        """Size of the text."""
        return self.num_tokens * self.token_width

    @property
    def pointer_width(self) -> int:
        """Bytes an entry of the table."""
        return (self.folder / TABLE).stat().st_size // self.num_tokens

    def starts(self) -> npt.NDArray[np.uint64]:
        """Returns the byte offset of each document's separator, mapped, not read."""
        return np.memmap(self.folder / OFFSET, dtype="<u8", mode="r", shape=(self.num_documents,))

    def text(self) -> npt.NDArray[np.uint8]:
        """Returns the bytes of the text, mapped, not read."""
        return np.memmap(self.folder / TOKENIZED, dtype="u1", mode="r", shape=(self.text_bytes,))

    def bounds(self, starts: npt.NDArray[np.uint64], first: int, end: int) -> npt.NDArray[np.int64]:
        """Returns where documents ``first`` to ``end`` begin in the text, in bytes, and where the last ends."""
        bounds = np.empty(end - first + 1, dtype=np.int64)
        bounds[:-1] = starts[first:end]
        bounds[-1] = starts[end] if end < self.num_documents else self.text_bytes
        return bounds
