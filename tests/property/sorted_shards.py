"""Shards sorted by the engine, in parts or in one, and the files that the truth says they must have.

The oracle's sort takes minutes for some thousand tokens. `suffix_table` here takes seconds for a million: prefix
doubling, which tests hold to the oracle.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from index_format.layout import DIRECTORY, FAN_OUT, SIDECARS, TABLE, TOKENIZED
from suffix_engine import accelerate_shard, merge_parts, sort_part
from tests import oracle

Tokens = npt.NDArray[np.unsignedinteger]
NUMPY_TYPES = {1: np.dtype("u1"), 2: np.dtype("<u2"), 4: np.dtype("<u4")}
# Of `merge_parts`: the text is read from disk, or held in memory.
FROM_DISK, IN_MEMORY = 0, 1 << 40


def text_of(documents: Sequence[Sequence[int] | Tokens], width: int) -> Tokens:
    """Returns the text of a shard: before each document a separator."""
    kind = NUMPY_TYPES[width]
    separator = np.array([oracle.separator(width)], dtype=kind)
    parts = [part for document in documents for part in (separator, np.asarray(document, dtype=kind))]
    return np.concatenate(parts)


def suffix_table(text: Tokens) -> npt.NDArray[np.int64]:
    """Returns all positions in the order of the table.

    Each separator counts as a token of its own, the later ones as the larger: that orders suffixes which are equal up
    to a separator by their positions, and lets nothing behind a separator decide. Then suffixes are ranked by their
    first token, and from the ranks by 2^k tokens follow those by twice as many.
    """
    is_separator = text == np.iinfo(text.dtype).max
    # Low byte first: the order of the bytes as they stand in the file.
    first = text.astype(text.dtype.newbyteorder(">")).view(text.dtype).astype(np.int64)
    first[is_separator] = 256**text.itemsize + np.arange(np.count_nonzero(is_separator))
    _, ranks = np.unique(first, return_inverse=True)
    known = 1
    while True:
        # The end of the file sorts before everything.
        behind = np.full(len(text), -1, dtype=np.int64)
        behind[:-known] = ranks[known:]
        keys = ranks.astype(np.int64) * (len(text) + 1) + behind + 1
        table = np.argsort(keys, kind="stable")
        is_new = np.diff(keys[table], prepend=-1) != 0
        if is_new.all():
            return table
        ranks = np.empty(len(text), dtype=np.int64)
        ranks[table] = np.cumsum(is_new) - 1
        known *= 2


def packed(table: Sequence[int] | npt.NDArray[np.int64], width: int) -> bytes:
    """Returns the file of a table: byte offsets, in as few bytes each as hold the size of the text."""
    offsets = np.asarray(table, dtype="<u8") * width
    entry_bytes = -(-max(1, (len(offsets) * width - 1).bit_length()) // 8)
    return offsets.view("u1").reshape(-1, 8)[:, :entry_bytes].tobytes()


def expected_files(folder: Path, text: Tokens, table: Sequence[int] | npt.NDArray[np.int64]) -> dict[str, bytes]:
    """Writes a shard with this table, and returns it and its sidecars, as `accelerate_shard` makes them of it."""
    folder.mkdir()
    text.tofile(folder / TOKENIZED)
    (folder / TABLE).write_bytes(packed(table, text.itemsize))
    accelerate_shard(folder, token_width=text.itemsize, num_threads=1)
    return files_of(folder)


def files_of(folder: Path) -> dict[str, bytes]:
    """Returns the table and those sidecars that are there."""
    return {name: (folder / name).read_bytes() for name in (TABLE, FAN_OUT, DIRECTORY) if (folder / name).exists()}


def sort_in_parts(
    folder: Path,
    text: Tokens,
    num_parts: int,
    *,
    num_threads: int = 1,
    memory_bytes: int = IN_MEMORY,
    accelerate: bool = True,
) -> dict[str, bytes]:
    """Writes and sorts a shard, and returns its files; checks that nothing else is left in the folder."""
    folder.mkdir(exist_ok=True)
    text.tofile(folder / TOKENIZED)
    sort_all_parts(folder, text.itemsize, num_parts, num_threads, accelerate=accelerate)
    if num_parts > 1:
        merge_parts(
            folder,
            token_width=text.itemsize,
            num_parts=num_parts,
            memory_bytes=memory_bytes,
            num_threads=num_threads,
            accelerate=accelerate,
        )
    made = {TABLE, *SIDECARS} if accelerate else {TABLE}
    assert {path.name for path in folder.iterdir()} == {TOKENIZED, *made}
    return files_of(folder)


def sort_all_parts(folder: Path, width: int, num_parts: int, num_threads: int = 1, *, accelerate: bool = True) -> None:
    """Sorts every part of the shard in a folder; the runs are not merged."""
    for part in range(num_parts):
        sort_part(
            folder,
            token_width=width,
            part=part,
            num_parts=num_parts,
            num_threads=num_threads,
            accelerate=accelerate,
        )
