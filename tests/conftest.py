"""Profiles, the order of tests, shared fixtures, and the check that a test leaves no thread or file open."""

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.schedule import FilesInTurn, longest_first

# A failing example is printed with the decorator that runs it again (`print_blob`), so no seed is ever lost.
_QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
settings.register_profile("fast", max_examples=40, deadline=None, print_blob=True, suppress_health_check=_QUIET)
settings.register_profile("slow", max_examples=2000, deadline=None, print_blob=True, suppress_health_check=_QUIET)
PROFILE = os.environ.get("HEADWATER_TEST_PROFILE", "fast")
settings.load_profile(PROFILE)

REPOSITORY = Path(__file__).resolve().parent.parent


def pytest_configure(config: pytest.Config) -> None:
    """Names our marker, and takes Ctrl-C again where the shell has it ignored.

    A shell without job control does that for what runs behind it. Every process that a test starts would ignore it too,
    and the tests of Ctrl-C would wait in vain.
    """
    config.addinivalue_line("markers", "slow: takes minutes; runs in the slow profile only")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is for the slow profile in the fast one, and puts what takes long at the start."""
    left_out = [item for item in items if PROFILE == "fast" and item.get_closest_marker("slow")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = longest_first([item for item in items if item not in left_out])


def pytest_collection_finish() -> None:
    """Fails if Ray is imported by now: it looks at its environment once, and tests of it set that first."""
    if "ray" in sys.modules:
        raise pytest.UsageError("a test file imports ray at its top: import it where it is used, see tests/schedule.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FilesInTurn:
    """Says which tests run side by side, where there are several workers."""
    return FilesInTurn(config, log)


def pytest_report_header() -> str:
    """Says which profile runs."""
    return (
        f"test profile: {PROFILE} (HEADWATER_TEST_PROFILE=slow for more random cases and the tests that take minutes)"
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; the test skips where it is absent."""
    directory = REPOSITORY.parent / "shared" / "data"
    if not directory.is_dir():
        pytest.skip("needs the real data of ../shared/data, which is not part of the repository")
    return directory


@pytest.fixture(scope="module", autouse=True)
def _same_log_after_a_file() -> Iterator[None]:
    """Undoes what processes that run in a test's own do to the log, for the tests of another file that look at it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def leaves_nothing_behind() -> Iterator[None]:
    """Fails the test if it ends with more threads or open files than it began with."""
    gc.collect()
    threads, files = set(threading.enumerate()), _open_files()
    yield
    deadline = time.monotonic() + 60
    while (left := _left_behind(threads, files)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left, f"left behind: {left}"


def _left_behind(threads: set[threading.Thread], files: Counter[str]) -> list[str]:
    gc.collect()  # each time: what a thread of gRPC has let go of a moment ago may be in a cycle
    new_threads = [t.name for t in threading.enumerate() if t not in threads and not t.daemon]
    # By what they are of, not by number: gRPC closes its poller when nothing uses it, and opens another one.
    return new_threads + list((_open_files() - files).elements())


def _open_files() -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in os.scandir("/proc/self/fd"):
        try:
            found[os.readlink(entry.path)] += 1
        except OSError:
            continue  # the descriptor of this very listing is closed by now
    return found
