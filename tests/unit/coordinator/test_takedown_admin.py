"""What the admin calls say of a change that is not in effect yet."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coordinator.cluster.replica_set import ReplicaSet
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.takedown_push import Orders
from coordinator.cluster.takedown_watch import TakedownWatch
from coordinator.errors import InvalidRequestError
from coordinator.takedown_admin import TakedownAdmin
from coordinator.takedown_list import KeptTakedown
from coordinator.takedowns import Takedown
from index_format.takedowns import UrlTarget
from tests.unit.coordinator.cluster.fake_servers import CORPUS, HELD, FakeLink, FakeServer, Recorder


@dataclass
class OldGeneration:
    """A generation whose one server obeys list 1."""

    replica_sets: tuple[ReplicaSet, ...]
    corpora: Any = (CORPUS,)
    orders: Any = None
    withheld_documents: int = 3


class BusyServing:
    """Serves by list 1, and does not come to read the file again, as when a list of many takes effect."""

    def __init__(self, path: Path):
        self.takedowns = TakedownWatch(path)
        link = FakeLink("h:1", HELD._replace(view_id="v1", takedown_epoch=1, withheld_documents=3))
        link.become("serving", obeys="first")
        now = asyncio.get_running_loop().time
        orders = {link.address: Orders(1, "first", None)}  # type: ignore[arg-type]  # nothing is sent here
        pairs: Any = [(link, FakeServer(0))]
        recorder: Any = Recorder()
        shard = ReplicaSet(CORPUS, 0, pairs, ClusterSettings(), recorder, now, orders=orders)
        self.generation = OldGeneration((shard,))

    @contextlib.asynccontextmanager
    async def current(self) -> AsyncIterator[OldGeneration]:
        yield self.generation

    async def follow_takedowns(self) -> None:
        await asyncio.sleep(1e9)


def admin_of(path: Path) -> TakedownAdmin:
    serving: Any = BusyServing(path)
    serving.takedowns.file.change(lambda _: (KeptTakedown("a", UrlTarget("u")),), may_be_first=True)
    serving.takedowns = TakedownWatch(path)
    assert serving.takedowns.takedowns.epoch == 1
    return TakedownAdmin(serving)


@pytest.mark.parametrize("call", ["add", "lift"])
def test_a_change_that_no_server_obeys_yet_is_told_as_such(tmp_path: Path, call: str) -> None:
    async def main() -> None:
        admin = admin_of(tmp_path / "takedowns.json")
        assert [one.problem for one in (await admin.list()).state.replicas] == [""]
        if call == "add":
            state = (await admin.add([Takedown(id="b", url="v")], lambda: 0.0)).state
        else:
            state = (await admin.lift(["a"], lambda: 0.0)).state
        assert state.epoch == 2
        assert [(one.epoch, one.problem) for one in state.replicas] == [
            (1, "it does not obey takedowns number 2 yet"),
        ]

    asyncio.run(main())


def test_what_is_lifted_twice_is_told_to_be_over(tmp_path: Path) -> None:
    async def main() -> None:
        admin = admin_of(tmp_path / "takedowns.json")
        await admin.lift(["a"], lambda: 0.0)
        with pytest.raises(InvalidRequestError, match=r"is not in force \(any more\)"):
            await admin.lift(["a"], lambda: 0.0)

    asyncio.run(main())
