"""The traffic keeps its times whatever the server does, and says of every request what became of it."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from bench.faults.answers import digest
from bench.faults.outcomes import HUNG, OK, Outcome
from bench.faults.traffic import Load, Traffic
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc

ANSWERS = ("one", "two", "three")


class Coordinator(coordinator_pb2_grpc.CoordinatorServiceServicer):
    """Answers with the answer itself; what it does before is up to the test."""

    def __init__(self) -> None:
        self.before: Callable[[pb.TraceRequest, grpc.ServicerContext], None] = lambda request, context: None
        self.asked: list[str] = []
        self.enough = threading.Semaphore(0)

    def Trace(self, request: pb.TraceRequest, context: grpc.ServicerContext) -> pb.TraceResponse:
        self.asked.append(request.answer)
        self.enough.release()
        self.before(request, context)
        return pb.TraceResponse(trace=traced(request.answer, total_ms=float(len(self.asked))))

    def wait_for(self, requests: int) -> None:
        for _ in range(requests):
            assert self.enough.acquire(timeout=30)


def traced(answer: str, total_ms: float = 0.0) -> pb.Trace:
    return pb.Trace(answer=answer, coverage=pb.Coverage(complete=True), timings=pb.Timings(total_ms=total_ms))


@pytest.fixture
def coordinator() -> Iterator[tuple[Coordinator, str]]:
    with ThreadPoolExecutor(32) as threads:
        server = grpc.server(threads)
        servicer = Coordinator()
        coordinator_pb2_grpc.add_CoordinatorServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield servicer, f"127.0.0.1:{port}"
        server.stop(0).wait()


def run(load: Load, until: Callable[[], None]) -> tuple[Outcome, ...]:
    with Traffic(load) as traffic:
        until()
    return traffic.outcomes


def test_an_open_loop_asks_in_turn_at_its_rate(coordinator: tuple[Coordinator, str]) -> None:
    servicer, target = coordinator
    outcomes = run(Load(target, ANSWERS, rate=50), lambda: servicer.wait_for(20))
    assert [one.request for one in outcomes[:6]] == [0, 1, 2, 0, 1, 2]
    gaps = [after.intended_s - before.intended_s for before, after in itertools.pairwise(outcomes)]
    assert gaps == pytest.approx([0.02] * len(gaps))
    assert {one.status for one in outcomes} == {OK}
    assert outcomes[1].answer == digest(traced("two"))
    assert all(one.is_complete for one in outcomes)


def test_a_slow_answer_does_not_delay_the_next_request(coordinator: tuple[Coordinator, str]) -> None:
    servicer, target = coordinator
    held = threading.Event()
    servicer.before = lambda request, context: None if request.answer != "one" else _wait(held)
    with Traffic(Load(target, ANSWERS, rate=50)) as traffic:
        servicer.wait_for(10)
        held.set()
    slow = [one for one in traffic.outcomes if one.request == 0]
    assert max(one.latency_s for one in slow) > 0.05
    assert {one.status for one in traffic.outcomes} == {OK}


def _wait(event: threading.Event) -> None:
    assert event.wait(30)


def test_an_error_is_told_with_its_status(coordinator: tuple[Coordinator, str]) -> None:
    servicer, target = coordinator
    servicer.before = lambda request, context: context.abort(grpc.StatusCode.UNAVAILABLE, "no shard answered")
    outcomes = run(Load(target, ANSWERS, rate=50), lambda: servicer.wait_for(3))
    assert (outcomes[0].status, outcomes[0].detail) == ("UNAVAILABLE", "no shard answered")
    assert not outcomes[0].is_complete


def test_a_request_without_an_answer_is_hung_and_a_deadline_of_the_servers_is_not(
    coordinator: tuple[Coordinator, str],
) -> None:
    servicer, target = coordinator
    ended = threading.Event()

    def before(request: pb.TraceRequest, context: grpc.ServicerContext) -> None:
        if request.answer == "two":
            context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too late")
        elif request.answer == "three":
            _wait(ended)

    servicer.before = before
    with Traffic(Load(target, ANSWERS, clients=3, timeout_s=1)) as traffic:
        servicer.wait_for(9)
    ended.set()
    statuses = {one.request: one.status for one in traffic.outcomes}
    assert statuses == {0: OK, 1: "DEADLINE_EXCEEDED", 2: HUNG}


def test_a_closed_loop_has_one_request_a_client_in_flight(coordinator: tuple[Coordinator, str]) -> None:
    servicer, target = coordinator
    lock, running, most, four = threading.Lock(), 0, 0, threading.Event()

    def before(request: pb.TraceRequest, context: grpc.ServicerContext) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
            if running == 4:
                four.set()
        _wait(four)  # all are here once
        time.sleep(0.01)
        with lock:
            running -= 1

    servicer.before = before
    run(Load(target, ANSWERS, clients=4, channels=2), lambda: servicer.wait_for(40))
    assert most == 4
