"""Takedowns under load: a document is withdrawn through the coordinator, and comes back; answers follow at once."""

import itertools
import time
from collections.abc import Sequence

from bench.faults.cluster import COORDINATOR_REPLICAS, CORPUS, FaultCluster
from bench.faults.history import History
from bench.faults.scenario import Scenario
from bench.faults.timeline import Timeline
from coordinator.takedowns import Takedown as AskedTakedown
from headwater.connection import Connection
from headwater.remote_admin import RemoteAdmin
from index_format.takedowns import DocumentTarget, Takedown
from loadtest.oracle import Takedowns

_CALL_S = 30.0
_FOLLOWED_S = 60.0
_POLL_S = 0.1
_IN_FORCE_S = 3.0


class TakedownFaults:
    """Takes one document after the other down, and lets it back in."""

    def __init__(self, documents: Sequence[tuple[int, DocumentTarget]], takedowns: History[Takedowns]):
        """Takes documents, each with a request whose answer shows it, and the history that answers are held against."""
        self._documents = itertools.cycle(documents)
        self._takedowns = takedowns
        self._number = itertools.count(1)

    @property
    def scenarios(self) -> tuple[Scenario, ...]:
        """The faults."""
        return (
            Scenario("document taken down, and let back in", self._plain),
            Scenario("document taken down while a replica of its shard is killed", self._with_a_restart),
        )

    def _plain(self, cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
        timeline.strike()
        request, target = next(self._documents)
        with _admin(cluster) as admin:
            wrong = _looks(cluster, admin, request, target, is_shown=True)
            takedown = self._add(admin, target)
            time.sleep(_IN_FORCE_S)
            wrong += _looks(cluster, admin, request, target, is_shown=False)
            self._lift(admin, takedown)
            return wrong + _looks(cluster, admin, request, target, is_shown=True)

    def _with_a_restart(self, cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
        """Restarts a replica that knows nothing of the takedown then: it may not be asked before it does."""
        timeline.strike()
        request, target = next(self._documents)
        with _admin(cluster) as admin:
            takedown = self._add(admin, target)
            replica = cluster.replicas[target.shard][1]
            replica.kill()
            time.sleep(_IN_FORCE_S)
            replica.restart()
            cluster.settle()
            wrong = _looks(cluster, admin, request, target, is_shown=False)
            self._lift(admin, takedown)
            return wrong

    def _add(self, admin: RemoteAdmin, target: DocumentTarget) -> Takedown:
        takedown = Takedown(f"soak-{next(self._number)}", target)
        self._takedowns.begin((takedown,))
        asked = AskedTakedown(takedown.id, document=_id_of(target), reason="soak")
        self._follow(admin, admin.add_takedowns([asked], timeout_s=_CALL_S).state.epoch)
        return takedown

    def _lift(self, admin: RemoteAdmin, takedown: Takedown) -> None:
        self._takedowns.begin(())
        self._follow(admin, admin.lift_takedowns([takedown.id], timeout_s=_CALL_S).state.epoch)

    def _follow(self, admin: RemoteAdmin, epoch: int) -> None:
        """Returns once every replica of the coordinator has the list; which of them answers is up to chance.

        Raises:
            TimeoutError: one of them does not get it.
        """
        deadline, told = time.monotonic() + _FOLLOWED_S, 0
        while told < 10 * COORDINATOR_REPLICAS:
            if time.monotonic() > deadline:
                raise TimeoutError(f"not every coordinator had takedowns number {epoch} after {_FOLLOWED_S:.0f} s")
            told = told + 1 if admin.list_takedowns(timeout_s=_CALL_S).state.epoch >= epoch else 0
            if not told:
                time.sleep(_POLL_S)
        self._takedowns.settled()


def _looks(
    cluster: FaultCluster, admin: RemoteAdmin, request: int, target: DocumentTarget, *, is_shown: bool
) -> list[str]:
    """Returns what is wrong with whether an answer shows a document, asked often enough to reach every coordinator."""
    shown = []
    for _ in range(4 * COORDINATOR_REPLICAS):
        trace = admin.trace(cluster.indexes.answers[request], timeout_s=_CALL_S)
        shown.append(_id_of(target) in {str(document.id) for document in trace.documents})
    if all(each is is_shown for each in shown):
        return []
    return [f"{_id_of(target)} is shown by {sum(shown)} of {len(shown)} answers, expected {len(shown) * is_shown}"]


def _id_of(target: DocumentTarget) -> str:
    return f"{CORPUS}:{target.shard}:{target.number}"


def _admin(cluster: FaultCluster) -> RemoteAdmin:
    return RemoteAdmin(cluster.coordinator.target, Connection(api_key=cluster.api_key))
