import os
import signal
from collections.abc import Callable

import psutil
import pytest

from indexing.errors import PlanError, WorkerKilledError
from indexing.own_process import call_in_processes
from indexing.plan import check_threads


def ignore(amount: int) -> None:
    pass


def process_id(number: int, advanced: Callable[[int], None]) -> tuple[int, int]:
    advanced(number)
    return number, os.getpid()


def kill_itself(number: int, advanced: Callable[[int], None]) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(threads: int, advanced: Callable[[int], None]) -> None:
    check_threads(threads)


def test_each_call_has_a_process_and_results_keep_their_order() -> None:
    told: list[int] = []
    results = call_in_processes(process_id, [(number,) for number in range(3)], 2, told.append)
    assert [number for number, _ in results] == [0, 1, 2]
    assert len({pid for _, pid in results} | {os.getpid()}) == 4
    assert sorted(told) == [0, 1, 2]


def test_one_call_at_a_time_needs_no_process() -> None:
    results = call_in_processes(process_id, [(1,), (2,)], 1, ignore)
    assert results == [(1, os.getpid()), (2, os.getpid())]
    assert call_in_processes(process_id, [(1,)], 8, ignore) == [(1, os.getpid())]


def test_an_error_comes_out_as_what_it_is_and_no_process_stays() -> None:
    with pytest.raises(PlanError, match="-1 threads"):
        call_in_processes(refuse, [(-1,), (-1,)], 2, ignore)
    assert not [child for child in psutil.Process().children() if "indexing.own_process" in child.cmdline()]


def test_a_process_that_is_killed_is_told_of() -> None:
    with pytest.raises(
        WorkerKilledError, match=r"kill_itself.* ended with status -9; did the machine run out of memory"
    ):
        call_in_processes(kill_itself, [(1,), (2,)], 2, ignore)
