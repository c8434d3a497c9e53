"""How fast the stages of a build were seen to be, for `size_plan`. Replace the numbers when they are measured again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second and core, or bytes a second as the name says, and where that was seen.

    Attributes:
        tokenize: Tokens that a core makes of text.
        sort: Tokens that a core sorts in memory; of a shard of one part the sidecars come out of it.
        merge: Tokens that a core merges, the text in memory; the sidecars come out of it.
        merge_duplicates: The same, of a corpus most of whose documents are there many times.
        merge_text_reads: Reads of the text a token while parts are merged: of the disk, where memory does not hold it.
        hash_bytes: Bytes that a core computes checksums of.
        disk_bytes: Bytes that the disk of a node reads or writes one after another.
        disk_reads: Random reads a second that the disk of a node gives when all cores ask.
        measured_on: Where the numbers come from.
    """

    tokenize: float
    sort: float
    merge: float
    merge_duplicates: float
    merge_text_reads: float
    hash_bytes: float
    disk_bytes: float
    disk_reads: float
    measured_on: str


MEASURED_RATES = Rates(
    tokenize=1.8e6,
    sort=4.4e6,
    merge=16.0e6,
    merge_duplicates=19.0e6,
    merge_text_reads=0.25,
    hash_bytes=1.2e9,
    disk_bytes=1.0e9,
    disk_reads=100_000,
    measured_on=(
        "a core of a virtual machine, the shared corpus of 29.8 million tokens: tokenize as a whole task with the "
        "dolma2 tokenizer, merge of 4 parts with sidecars and two-byte tokens ('python -m bench build'), "
        "sort of one part of a billion four-byte tokens ('python -m bench growth'), checksums in the page cache; "
        "assumed are the merge's reads of the text and the disk, a local NVMe"
    ),
)
