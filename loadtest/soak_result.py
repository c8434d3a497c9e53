"""What a soak found, and its JSON form."""

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from loadtest.leaks import Bounds, Growth
from loadtest.results import Run

FORMAT = "headwater-soak/1"


@dataclass(frozen=True, slots=True)
class FaultFound:
    """What one fault did to the requests that were due in its window.

    Attributes:
        kind: What it was.
        start_s: When it began, since the run began.
        mended_s: When it was undone.
        end_s: When the time to recover from it was over: the window's end.
        requests: Requests that were due in the window.
        wrong: Answers other than the oracle's.
        hung: Requests without an outcome.
        errors: Requests with a status other than OK.
        incomplete: Answers that lacked a shard, and said so.
        slowest_ms: The slowest answer.
        recovery_s: From the mending to the end of the last answer of the window that was bad, incomplete or slow.
        checks: What the fault itself found wrong.
    """

    kind: str
    start_s: float
    mended_s: float
    end_s: float
    requests: int
    wrong: int
    hung: int
    errors: int
    incomplete: int
    slowest_ms: float
    recovery_s: float
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Soak:
    """A run at a share of the highest rate, with faults.

    Attributes:
        run: Its load; the verdicts of the last step are of what was due outside the fault windows.
        rate_share: Share of the highest rate at which it ran.
        compared: Answers that were compared with the oracle's.
        cached: Those of them that came from a result cache.
        wrong: Answers other than the oracle's, in and outside of the windows.
        unnoticed: Others, not among ``wrong``: of a damaged file, from before the damage could be noticed.
        hung: Requests without an outcome.
        quiet_requests: Requests that were due outside the windows.
        recovery_s: What a window has after the fault is mended.
        faults: The faults, in order.
        growths: How the processes went that were looked at long enough.
        bounds: What they were held to.
        failures: Why the soak did not pass; empty if it did.
    """

    run: Run
    rate_share: float
    compared: int
    cached: int
    wrong: int
    unnoticed: int
    hung: int
    quiet_requests: int
    recovery_s: float
    faults: tuple[FaultFound, ...]
    growths: tuple[Growth, ...]
    bounds: Bounds
    failures: tuple[str, ...]
    format: str = field(default=FORMAT)

    @property
    def passed(self) -> bool:
        """Whether nothing was wrong."""
        return not self.failures


def write_soak(soak: Soak, path: Path) -> None:
    """Writes a soak as JSON."""
    path.write_bytes(TypeAdapter(Soak).dump_json(soak, indent=1) + b"\n")
