"""Which fault strikes when: dealt from a seed, each a while after the one before has been mended."""

import itertools
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import grpc
import psutil

from bench.errors import BenchError
from bench.faults import (
    bad_input,
    cluster_file_faults,
    coordinator_faults,
    corruption,
    generation_swap,
    link_faults,
    replica_faults,
)
from bench.faults.cluster import FaultCluster
from bench.faults.scenario import Scenario
from bench.faults.timeline import Timeline
from coordinator.errors import CoordinatorError

# What a short soak is to see first.
_FIRST = (
    replica_faults.SCENARIOS[0],
    replica_faults.SCENARIOS[1],
    *coordinator_faults.SCENARIOS,
    *generation_swap.SCENARIOS,
    link_faults.SCENARIOS[1],
)
_OTHERS = (
    *replica_faults.SCENARIOS[2:],
    *cluster_file_faults.SCENARIOS,
    link_faults.SCENARIOS[0],
    *link_faults.SCENARIOS[2:],
    *bad_input.SCENARIOS,
    *corruption.SCENARIOS,
)
# None of the shard servers lives through these. They come first of what is dealt: after them a server lives long enough
# to say whether it leaks.
_SWEEPING = (*generation_swap.SCENARIOS, *replica_faults.SCENARIOS[3:])
# A fault that has not been undone by now holds up all that follow.
_LATEST_BEGIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault that was injected.

    Attributes:
        kind: What it was.
        began_s: When it began, by `time.monotonic`.
        mended_s: When it was undone, and everything was as it should be again.
        checks: What the fault itself found wrong.
        unnoticed: Intervals in which a damaged file may have made answers wrong, and nobody could know it yet.
    """

    kind: str
    began_s: float
    mended_s: float
    checks: tuple[str, ...]
    unnoticed: tuple[tuple[float, float], ...] = ()


def deal(takedowns: Sequence[Scenario], seed: int) -> Iterator[Scenario]:
    """Yields faults without end: the first few kinds, then the others, then all of them again and again.

    Each time those that end every shard server come first, then the rest; both in an order of the seed's.
    """
    draw = random.Random(f"faults {seed}")
    first, others = [*_FIRST, takedowns[0]], [*_OTHERS, *takedowns[1:]]
    for dealt in itertools.chain((first, others), itertools.repeat([*first, *others])):
        yield from sorted(draw.sample(dealt, len(dealt)), key=lambda scenario: scenario not in _SWEEPING)


def strike_all(
    cluster: FaultCluster,
    faults: Iterator[Scenario],
    ends_s: float,
    quiet_s: float,
    is_over: Callable[[], bool],
    tell: Callable[[str], None],
) -> list[Struck]:
    """Injects faults one after the other, until they are all done or shortly before the end; returns what was done.

    Args:
        cluster: What is maltreated.
        faults: What to inject.
        ends_s: When the load ends, by `time.monotonic`.
        quiet_s: Time without a fault before each.
        is_over: Whether the load has ended early.
        tell: Takes a line for each fault.
    """
    struck: list[Struck] = []
    for scenario in faults:
        rest_s = min(_LATEST_BEGIN_S, (ends_s - time.monotonic()) / 2)
        if time.monotonic() + quiet_s > ends_s - rest_s and struck:
            return struck
        waits_until = time.monotonic() + quiet_s
        while time.monotonic() < waits_until:
            if is_over():
                return struck
            time.sleep(0.2)
        struck.append(_strike(cluster, scenario))
        one = struck[-1]
        wrong = f": {'; '.join(one.checks)}" if one.checks else ""
        tell(f"{one.kind}, {one.mended_s - one.began_s:.1f} s{wrong}")
    return struck


def _strike(cluster: FaultCluster, scenario: Scenario) -> Struck:
    began = time.monotonic()
    timeline = Timeline()
    try:
        checks = tuple(scenario.act(cluster, timeline))
        cluster.settle()
    except (BenchError, CoordinatorError, OSError, subprocess.SubprocessError, psutil.Error, grpc.RpcError) as error:
        checks = (f"{type(error).__name__}: {error}",)
    return Struck(scenario.kind, began, time.monotonic(), checks, tuple(timeline.unnoticed))
