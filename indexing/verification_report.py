"""What a verification looked at, what it found, and what may have escaped a sample."""

import math
from dataclasses import dataclass

from index_format.errors import IndexFormatError
from index_format.manifest import IndexManifest
from indexing.errors import VerificationError

Problem = IndexFormatError | VerificationError


@dataclass(frozen=True, slots=True)
class LookedAt:
    """How many things of one kind were looked at, and how many there are.

    A sample looks at things in runs of ``run``: damage to neighbours is found or missed together.
    """

    kind: str
    looked_at: int
    total: int
    run: int = 1

    @property
    def is_everything(self) -> bool:
        """Whether none was left out."""
        return self.looked_at == self.total

    def missed(self, damaged_share: float) -> float:
        """Returns the probability that damage to so large a share of all runs, anywhere, was missed.

        At least one run is damaged. Damage that is spread over more runs is missed with a lower probability.
        """
        runs = max(1, math.ceil(self.total / self.run))
        looked_at = min(runs, round(runs * self.looked_at / max(1, self.total)))
        damaged = min(runs, max(1, round(runs * damaged_share)))
        if looked_at + damaged > runs:
            return 0.0
        return math.exp(_log_choose(runs - damaged, looked_at) - _log_choose(runs, looked_at))

    def plus(self, other: "LookedAt") -> "LookedAt":
        """Returns both, of another shard, together."""
        return LookedAt(self.kind, self.looked_at + other.looked_at, self.total + other.total, self.run)


@dataclass(frozen=True, slots=True)
class VerificationReport:
    """What one verification did.

    ``problems`` are in the order of the checks and end after as many as were asked for (`is_cut_off`). ``sample`` is
    the share that was looked at, None for everything.
    """

    manifest: IndexManifest
    deep: bool
    sample: float | None
    seed: int
    looked_at: tuple[LookedAt, ...]
    problems: tuple[Problem, ...]
    is_cut_off: bool
    notes: tuple[str, ...]
    stage_seconds: tuple[tuple[str, float], ...]

    def raise_problems(self) -> None:
        """Does nothing if there is no problem.

        Raises:
            IndexFormatError, VerificationError: the only problem; several make one `VerificationError`.
        """
        if len(self.problems) == 1:
            raise self.problems[0]
        if self.problems:
            number = f"the first {len(self.problems)}" if self.is_cut_off else str(len(self.problems))
            listed = "\n".join(f"  {problem}" for problem in self.problems)
            raise VerificationError(f"{number} problems:\n{listed}") from self.problems[0]


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)
