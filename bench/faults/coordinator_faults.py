"""What befalls the coordinator: one of its replicas is killed, with the Ray worker that it is."""

import itertools
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import headwater
from bench.faults.cluster import FaultCluster
from bench.faults.scenario import TIMEOUT_S, Scenario
from bench.faults.timeline import Timeline
from coordinator.errors import CoordinatorError, OverloadedError

_MOST_S = 30.0
_HELD_S = 0.2
# Beside the steady traffic.
_PAUSE_S = 0.1


def kill_replica(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Kills a replica and waits until Ray has started another, while a client of ours traces, too."""
    with _Client(cluster) as client:
        began = timeline.strike()
        cluster.coordinator.kill_replica(_HELD_S)
        cluster.settle()
        took = time.monotonic() - began
    late = [f"the replica was replaced after {took:.1f} s, expected {_MOST_S:.0f} s at most"] if took > _MOST_S else []
    return (*late, *client.faults)


class _Client:
    """Traces one answer after the other by `headwater.connect`, which tries again what was broken off."""

    def __init__(self, cluster: FaultCluster):
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._target, self._answers = cluster.coordinator.target, cluster.indexes.answers
        self._key = cluster.api_key
        self._thread = threading.Thread(target=self._trace, name="client")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _trace(self) -> None:
        with headwater.connect(self._target, api_key=self._key) as index:
            for answer in itertools.cycle(self._answers):
                try:
                    if not index.trace(answer, timeout_s=TIMEOUT_S).coverage.complete:
                        self.faults.append("a client got an incomplete answer")
                except OverloadedError:
                    pass  # it is told when to come back; whether that had to be is judged by the steady traffic
                except CoordinatorError as error:
                    self.faults.append(f"a client that tries again got an error: {type(error).__name__}: {error}")
                if self._stop.wait(_PAUSE_S):
                    return


SCENARIOS = (Scenario("coordinator replica and its Ray worker killed", kill_replica),)
