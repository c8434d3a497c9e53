"""What the command line says, for every bench."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """Which index to run on, and how much.

    Attributes:
        index: Index directory of the caller's; None means the shared corpus.
        conversations: JSONL file of prompts and answers; goes with ``index``.
        tokenizer: ``tokenizer.json`` of an ``index`` that infini-gram built, which does not hold it.
        passes: How often our side is measured on every conversation; the median counts.
        remote: Whether to measure over gRPC through Ray as well.
        large: Whether to measure on ten times the corpus as well.
        sizes: Tokens of the texts that grow, ascending.
        memory_bytes: Most memory of each process that sorts one of them.
        cases: Wrong inputs, over all readers.
        seed: What the wrong inputs are drawn with.
    """

    index: Path | None
    conversations: Path | None
    tokenizer: Path | None
    passes: int
    remote: bool
    large: bool = True
    sizes: tuple[int, ...] = (10**7, 10**8, 10**9)
    memory_bytes: int = 4 << 30
    cases: int = 10_000_000
    seed: int = 1
