"""A run as a load test leaves it, made up: the numbers follow from a seed."""

import math
import random

from loadtest.results import (
    ClientHealth,
    Configuration,
    Latency,
    Machine,
    PercentilePoint,
    ProcessSeries,
    Run,
    Second,
    Step,
    StepKind,
    Tally,
    Verdict,
    Window,
)

CAPACITY = 140.0
CLIENT = ClientHealth(2, 1.2, 14.0, 0.31, 44, 2_000, True)
CONFIGURATION = Configuration(
    target="127.0.0.1:9000",
    protocol="grpc",
    tls=False,
    with_key=True,
    arrivals="poisson",
    workloads={"corpus": 0.8, "conversations": 0.2},
    hot_share=0.2,
    seed=1,
    timeout_s=5.0,
    processes=2,
    connections=4,
    in_flight_limit=2_000,
)
MACHINE = Machine("a processor", 2, 24.0, "Linux 6.1", 0.4, 3.9)


def tally(intended: int, scale: float = 1.0, errors: int = 0, incomplete: int = 0) -> Tally:
    """Returns a tally whose latencies are ``scale`` times those of a quiet service."""
    answered = intended - errors
    latency = Latency(*(scale * each for each in (16.0, 14.0, 24.0, 31.0, 58.0, 120.0))) if answered else None
    told = {"UNAVAILABLE": errors} if errors else {}
    complete = answered - incomplete
    coverage = 1.0 - 0.33 * incomplete / answered if answered else None
    return Tally(intended, intended, answered, told, complete, complete, intended // 10, coverage, latency)


def step(kind: StepKind, rate: float, began_s: int, seconds: int, seed: int = 3) -> Step:
    """Returns a step; beyond the capacity its latencies grow and errors come."""
    draw = random.Random(f"{seed} {rate} {began_s}")
    scale = 1 / max(0.02, 1 - rate / CAPACITY)
    timeline = []
    for at in range(began_s, began_s + seconds):
        due = max(1, round(draw.gauss(rate, math.sqrt(rate))))
        errors = due // 12 if rate > CAPACITY else 0
        timeline.append(Second(at, tally(due, scale * draw.uniform(0.8, 1.3), errors), due, due - errors))
    total = tally(sum(one.tally.intended for one in timeline), scale, sum(one.tally.num_errors for one in timeline))
    p99 = total.latency.p99_ms if total.latency else None
    verdicts = (
        Verdict("p99_ms", "at most", 400.0, p99, p99 is not None and p99 <= 400.0),
        Verdict("error_rate", "at most", 0.001, total.error_rate, total.error_rate <= 0.001),
    )
    percentiles = tuple(
        PercentilePoint(percentile, scale * latency, round(total.answered * percentile / 100))
        for percentile, latency in ((0.0, 6.0), (50.0, 14.0), (75.0, 19.0), (90.0, 24.0), (95.0, 31.0), (99.0, 58.0),
                                    (99.9, 90.0), (99.99, 118.0), (100.0, 120.0))
    )  # fmt: skip
    workloads = {"corpus": total, "conversations": tally(total.intended // 5, scale)}
    return Step(
        kind, rate, rate, float(began_s), float(seconds), total, workloads, tuple(timeline), percentiles, "", CLIENT,
        verdicts,
    )  # fmt: skip


def search(highest: float | None = 105.0) -> Run:
    """Returns the search for the highest rate."""
    rates: list[tuple[StepKind, float, int]] = [
        ("bracket", 40.0, 10), ("bracket", 80.0, 10), ("bracket", 160.0, 10), ("bisect", 120.0, 10),
        ("bisect", 100.0, 10), ("verify", 105.0, 30),
    ]  # fmt: skip
    steps, began = [], 2
    for kind, rate, seconds in rates:
        steps.append(step(kind, rate, began, seconds))
        began += seconds + 3
    return Run(
        "2026-11-22T10:00:00+00:00", CONFIGURATION, MACHINE, tuple(steps), highest, highest is not None,
        notes=("a made-up run",),
    )  # fmt: skip


def soak() -> Run:
    """Returns a run at one rate with faults in it, and processes."""
    one = step("soak", 70.0, 0, 300)
    timeline = list(one.timeline)
    windows = (Window(60.0, 80.0, "replica killed"), Window(170.0, 196.0, "index generation swapped"))
    for window in windows:
        for at in range(int(window.start_s), int(window.end_s) - 6):
            timeline[at] = Second(at, tally(70, 6.0, errors=3, incomplete=20), 70, 60)
    at = tuple(float(each) for each in range(0, 300, 2))
    draw = random.Random(1)
    processes = tuple(
        ProcessSeries(
            name,
            at,
            tuple(round((size + draw.uniform(-1, 1) + grows * second / 300) * 2**20) for second in at),
            tuple(draw.randint(40, 42) for _ in at),
            tuple(24 for _ in at),
        )
        for name, size, grows in (("shard server 0, replica 0", 120, 0), ("coordinator replica", 210, 60))
    )
    soaked = Step(
        "soak", 70.0, 70.0, 0.0, 300.0, one.total, {"corpus": one.total}, tuple(timeline), one.percentiles, "", CLIENT,
        one.verdicts,
    )  # fmt: skip
    return Run(
        "2026-11-22T11:00:00+00:00", CONFIGURATION, MACHINE, (soaked,), None, True, windows=windows,
        processes=processes,
    )  # fmt: skip
