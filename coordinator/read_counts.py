"""What was asked of the disks: part of the pipeline's values, in a file of their own."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """Random reads that were asked of each file of a shard, whether or not the page cache had them.

    One contiguous extent is one read. ``documents`` counts metadata and its offsets, ``size_bytes`` the bytes of the
    pages that all of them touch.
    """

    table: int = 0
    fan_out: int = 0
    text: int = 0
    documents: int = 0
    size_bytes: int = 0

    @property
    def total(self) -> int:
        """Reads of all files."""
        return self.table + self.fan_out + self.text + self.documents

    def __add__(self, other: "ReadCounts") -> "ReadCounts":
        return ReadCounts(
            self.table + other.table,
            self.fan_out + other.fan_out,
            self.text + other.text,
            self.documents + other.documents,
            self.size_bytes + other.size_bytes,
        )


NO_READS = ReadCounts()


@dataclass(frozen=True, slots=True)
class TraceStats:
    """What a trace asked of the disks. Equal requests to one index ask the same, whatever is cached.

    ``suffixes`` is the number of starts in the answer that each shard searched, ``reads_per_suffix`` the mean number of
    reads of the search for one of them in one shard.
    """

    suffixes: int
    reads_per_suffix: float
    search_reads: ReadCounts
    retrieval_reads: ReadCounts
