"""How fast the stages of a build were seen to be, for `size_plan`. Replace the numbers when they are measured again."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """Tokens a second and core, or bytes a second as the name says, and where that was seen.

    Attributes:
        tokenize: Tokens that a core makes of text.
        sort: Tokens that a core sorts in memory.
        merge: Tokens that a core merges, the text in memory; the sidecars come out of it.
        merge_duplicates: The same, of a corpus most of whose documents are there many times.
        accelerate: Tokens a core makes sidecars of where one part is sorted and none merged, the text in memory.
        hash_bytes: Bytes that a core computes checksums of.
        disk_bytes: Bytes that the disk of a node reads or writes one after another.
        disk_reads: Random reads a second that the disk of a node gives when all cores ask.
        measured_on: Where the numbers come from.
    """

    tokenize: float
    sort: float
    merge: float
    merge_duplicates: float
    accelerate: float
    hash_bytes: float
    disk_bytes: float
    disk_reads: float
    measured_on: str


MEASURED_RATES = Rates(
    tokenize=0.6e6,
    sort=8.1e6,
    merge=4.0e6,
    merge_duplicates=2.7e6,
    accelerate=8.6e6,
    hash_bytes=1.2e9,
    disk_bytes=1.0e9,
    disk_reads=100_000,
    measured_on=(
        "2 cores of a virtual machine: sort and accelerate on 298 million tokens of 2 bytes (python -m bench size), "
        "checksums of 60 MB; tokenize is the Llama-2 tokenizer on long documents; merge is what is required of it, "
        "half the rate of sorting, 1.5 times slower with duplicates; disk as of a local NVMe drive"
    ),
)
