"""A leak of each kind is found, and noise, peaks and a step at the beginning are none."""

import random
import subprocess
import sys
import time
import tracemalloc

import numpy as np
import psutil
import pytest

from loadtest.leaks import MOST_POINTS, Bounds, ProcessWatch, growth_of, trend
from loadtest.results import ProcessSeries

MIB = 1 << 20
BOUNDS = Bounds(warm_up_s=100.0, least_s=200.0)
TIMES = tuple(float(at) for at in range(0, 1800, 5))


def series(
    rss_mib: list[float] | None = None, fds: list[int] | None = None, threads: list[int] | None = None
) -> ProcessSeries:
    flat = [200.0] * len(TIMES)
    return ProcessSeries(
        "a server",
        TIMES,
        tuple(round(each * MIB) for each in rss_mib or flat),
        tuple(fds or [40] * len(TIMES)),
        tuple(threads or [20] * len(TIMES)),
    )


def test_noise_peaks_and_the_warm_up_are_no_leak() -> None:
    draw = random.Random(1)
    rss = [(120.0 if at < 90 else 200.0) + draw.gauss(0, 8) + (150.0 if draw.random() < 0.1 else 0) for at in TIMES]
    fds = [40 + draw.choice((0, 0, 1, 30)) for _ in TIMES]
    growth = growth_of(series(rss, fds), BOUNDS)
    assert growth is not None and growth.over == ()
    assert abs(growth.rss_bytes) < 4 * MIB
    assert growth.seconds == pytest.approx(1695.0)


@pytest.mark.parametrize(
    ("told", "grown"),
    [
        ("memory", {"rss_mib": [200 + at / 1800 * 50 for at in TIMES]}),
        ("file descriptors", {"fds": [40 + int(at / 150) for at in TIMES]}),
        ("threads", {"threads": [20 + int(at / 200) for at in TIMES]}),
    ],
)
def test_a_leak_is_found_and_named(told: str, grown: dict[str, list[int]]) -> None:
    growth = growth_of(series(**grown), BOUNDS)  # type: ignore[arg-type]
    assert growth is not None
    [over] = growth.over
    assert over.startswith(f"a server: {told} grew by ")


def test_a_slow_leak_under_noise_is_found() -> None:
    draw = random.Random(2)
    rss = [200 + at / 1800 * 50 + draw.gauss(0, 15) + (100 if draw.random() < 0.1 else 0) for at in TIMES]
    growth = growth_of(series(rss), BOUNDS)
    assert growth is not None and growth.over


def test_the_trend_of_a_day_takes_the_memory_of_a_thousand_looks() -> None:
    draw = np.random.default_rng(1)
    at = np.arange(0.0, 24 * 3600.0, 5.0)
    values = 0.5 * at + draw.normal(0, 100, len(at))
    tracemalloc.start()
    try:
        slope = trend(at, values)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(at) == 17_280 and slope == pytest.approx(0.5, rel=0.01)
    # Some arrays of a number for each pair.
    assert peak < 10 * 8 * MOST_POINTS**2


def test_a_process_that_was_looked_at_briefly_is_not_judged() -> None:
    whole = series([200 + at for at in TIMES])
    brief = ProcessSeries("brief", *(each[:50] for each in (TIMES, whole.rss_bytes, whole.num_fds, whole.num_threads)))
    assert growth_of(brief, BOUNDS) is None
    assert growth_of(ProcessSeries("nothing", (), (), (), ()), BOUNDS) is None


def test_bounds_of_a_short_run_have_shorter_times() -> None:
    short = Bounds().of_run(180.0)
    assert short.warm_up_s < 30 and short.least_s < 60 and short.rss_bytes == Bounds().rss_bytes
    assert Bounds().of_run(7200.0) == Bounds()


LEAKER = """
import sys, time
kept, files = [], []
print("ready", flush=True)
for number in range(10_000):
    kept.append(bytes([number % 251]) * 1_000_000)
    files.append(open("/dev/null"))
    time.sleep(0.02)
"""


def test_a_process_that_leaks_is_seen_to() -> None:
    with subprocess.Popen([sys.executable, "-c", LEAKER], stdout=subprocess.PIPE) as leaker:
        try:
            assert leaker.stdout is not None
            leaker.stdout.readline()
            began = time.monotonic()
            with ProcessWatch(lambda: [psutil.Process(leaker.pid)], lambda _: "leaker", 0.05) as watch:
                deadline = began + 60
                while time.monotonic() < deadline and len(next(iter(watch.series(began)), series()).at_s) not in range(
                    40, 90
                ):
                    time.sleep(0.1)
        finally:
            leaker.kill()
    [seen] = watch.series(began)
    growth = growth_of(seen, Bounds(rss_bytes=MIB, rss_share=0.0, num_fds=3.0, warm_up_s=0.0, least_s=0.5))
    assert growth is not None
    assert [over.partition(" grew")[0] for over in growth.over] == ["leaker: memory", "leaker: file descriptors"]


def test_what_is_no_part_of_the_system_is_not_looked_at() -> None:
    with ProcessWatch(lambda: [psutil.Process()], lambda _: "", 0.01) as watch:
        time.sleep(0.1)
    assert watch.series(0.0) == ()
