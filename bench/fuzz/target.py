"""What is fuzzed: something that takes bytes, with inputs that are right, and the errors that it may answer with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.fuzz.structure import Structured


@dataclass(frozen=True, slots=True)
class Target:
    """A reader of bytes from outside.

    Attributes:
        run: Takes one input. An error that the reader may answer with is caught inside; every other is a finding.
        seeds: Inputs that are right, which the wrong ones are made of.
        words: Parts that this format gives a meaning.
        structured: Changes an input and keeps its form; used for every second one.
    """

    run: Callable[[bytes], None]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = field(default=())
    structured: Structured | None = None


Maker = Callable[["Workplace"], Target]


@dataclass(frozen=True, slots=True)
class Workplace:
    """What targets share.

    Attributes:
        folder: A folder in memory of the target's own, empty at the start.
        index: A small sound index, whose files are not to be changed.
    """

    folder: str
    index: str
