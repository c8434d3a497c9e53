"""What befalls the coordinator: one of its replicas is killed, with the Ray worker that it is."""

import itertools
import threading
import time
from collections.abc import Sequence

import headwater
from bench.faults.cluster import FaultCluster
from bench.faults.scenario import TIMEOUT_S, Scenario
from bench.faults.timeline import Timeline
from coordinator.errors import CoordinatorError

# A dead process cannot answer what it was at: its callers are told so, in these words.
_BROKEN_OFF = frozenset({"UNAVAILABLE", "INTERNAL", "CANCELLED"})
_MOST_S = 30.0
_CLIENTS = 2


def kill_replica(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Kills a replica and waits until Ray has started another, while clients of ours trace, too."""
    with _Clients(cluster) as clients:
        began = timeline.strike()
        timeline.excuse_in_flight(_BROKEN_OFF)
        cluster.coordinator.kill_replica()
        cluster.settle()
        took = time.monotonic() - began
    late = [f"the replica was replaced after {took:.1f} s, expected {_MOST_S:.0f} s at most"] if took > _MOST_S else []
    return (*late, *clients.faults)


class _Clients:
    """Threads that trace by `headwater.connect`, which tries again what was broken off: they must see no error."""

    def __init__(self, cluster: FaultCluster):
        self.faults: list[str] = []
        self._stop = threading.Event()
        self._target, self._answers = cluster.coordinator.target, cluster.indexes.answers
        self._threads = [threading.Thread(target=self._trace, name=f"client-{each}") for each in range(_CLIENTS)]

    def __enter__(self) -> "_Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _trace(self) -> None:
        with headwater.connect(self._target) as index:
            for answer in itertools.cycle(self._answers):
                if self._stop.is_set():
                    return
                try:
                    if not index.trace(answer, timeout_s=TIMEOUT_S).coverage.complete:
                        self.faults.append("a client got an incomplete answer")
                except CoordinatorError as error:
                    self.faults.append(f"a client that tries again got an error: {type(error).__name__}: {error}")


SCENARIOS = (Scenario("coordinator replica and its Ray worker killed", kill_replica),)
