"""A server is asked only while it obeys the takedowns of its generation, and an answer of others is none."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from coordinator.cluster.replica_set import ReplicaSet
from coordinator.cluster.settings import ClusterSettings
from coordinator.cluster.takedown_push import ClusterOrders, Orders
from coordinator.errors import ShardUnavailableError, ViewChangedError
from coordinator.takedown_list import KeptTakedown, TakedownList
from coordinator.values import ShardId, ShardMatches
from index_format.takedowns import UrlTarget
from tests.unit.coordinator.cluster.fake_servers import CORPUS, HELD, QUERY, FakeLink, Recorder, answer
from tests.virtual_time import run

SEVENTH = Orders(7, "digest of 7", None)  # type: ignore[arg-type]  # nothing is sent here
OBEYING: Any = {"held": (HELD._replace(view_id="v7", takedown_epoch=7, withheld_documents=3),), "obeys": "digest of 7"}
LATER: Any = {"held": (HELD._replace(view_id="v8", takedown_epoch=8),), "obeys": "digest of 8"}


class Server:
    """Answers with a view."""

    def __init__(self, view_id: str):
        self.view_id = view_id
        self.num_calls = 0

    async def longest_matches(self, *_asked: Any) -> ShardMatches:
        self.num_calls += 1
        return replace(answer(1), view_id=self.view_id)


class Shard:
    def __init__(self, *views: str):
        self.links = [FakeLink(f"h:{number}") for number in range(len(views))]
        self.servers: list[Any] = [Server(view) for view in views]
        orders = {link.address: SEVENTH for link in self.links}
        settings = ClusterSettings(reconnect_grace_ms=0)
        self.recorder: Any = Recorder()
        now = asyncio.get_running_loop().time
        pairs: Any = list(zip(self.links, self.servers, strict=True))
        self.set = ReplicaSet(CORPUS, 0, pairs, settings, self.recorder, now, orders=orders)
        self.set.speak()

    def is_coming(self) -> bool:
        return self.set.is_coming

    async def ask(self) -> str:
        return (await self.set.longest_matches(QUERY, 10.0)).view_id


def test_a_server_that_does_not_obey_yet_is_not_asked() -> None:
    async def main() -> None:
        shard = Shard("v7", "")
        assert shard.is_coming()
        with pytest.raises(ShardUnavailableError, match="does not obey takedowns number 7 yet"):
            await shard.ask()
        shard.links[0].become("serving", **OBEYING)
        assert not shard.is_coming()
        assert {await shard.ask() for _ in range(10)} == {"v7"}
        assert shard.servers[1].num_calls == 0
        assert shard.recorder.of("replica_changed")[-1][2] == "usable"
        assert shard.recorder.of("withheld_changed") == [[ShardId("c", 0), 3]]

    run(main())


def test_a_server_that_says_why_it_does_not_obey_is_not_waited_for() -> None:
    async def main() -> None:
        shard = Shard("")
        shard.links[0].become("serving", takedown_problem="INTERNAL: no space left")
        assert not shard.set.is_coming
        with pytest.raises(ShardUnavailableError, match="no space left"):
            await shard.ask()

    run(main())


def test_when_servers_have_gone_over_to_a_later_list_the_request_begins_again() -> None:
    async def main() -> None:
        shard = Shard("v7")
        shard.links[0].become("serving", **OBEYING)
        assert await shard.ask() == "v7"
        shard.servers[0].view_id = "v8"  # before it says so
        with pytest.raises(ViewChangedError):
            await shard.ask()
        assert shard.links[0].num_looks == 1
        shard.links[0].become("serving", **LATER)
        with pytest.raises(ViewChangedError, match="found takedowns number 8, expected 7"):
            await shard.ask()
        assert shard.servers[0].num_calls == 2

    run(main())


def test_an_answer_of_the_view_before_counts_for_the_generation_before() -> None:
    async def main() -> None:
        shard = Shard("v7")
        shard.links[0].become("serving", **OBEYING)
        asking = asyncio.create_task(shard.ask())
        await asyncio.sleep(0)
        shard.links[0].become("serving", **LATER)
        assert await asking == "v7"

    run(main())


def test_another_replica_answers_in_place_of_one_that_has_gone_over() -> None:
    async def main() -> None:
        shard = Shard("v8", "v7")
        for link in shard.links:
            link.become("serving", **OBEYING)
        assert {await shard.ask() for _ in range(6)} == {"v7"}
        assert [one.outlier.is_ejected(0.0) for one in shard.set.replicas] == [False, False]

    run(main())


def test_each_server_is_ordered_what_concerns_its_corpora_and_messages_are_kept() -> None:
    takedowns = TakedownList(
        3,
        (
            KeptTakedown("a", UrlTarget("u"), ("pre",)),
            KeptTakedown("b", UrlTarget("v")),
            KeptTakedown("c", UrlTarget("w")),
        ),
    )
    addresses = {ShardId("pre", 0): ("h:1", "h:2"), ShardId("post", 0): ("h:2", "h:3")}
    index_ids = {"pre": "1f2e", "post": "2f3e"}
    orders = ClusterOrders.of(takedowns, index_ids, addresses)
    told = {address: [one.id for one in found.request.takedowns] for address, found in orders.by_address.items()}
    assert told == {"h:1": ["a", "b", "c"], "h:2": ["a", "b", "c"], "h:3": ["b", "c"]}
    assert orders.by_address["h:1"].digest != orders.by_address["h:3"].digest
    again = ClusterOrders.of(takedowns, index_ids, addresses, orders)
    assert again.key == orders.key
    assert all(again.messages[number][1] is said for number, (_, said) in orders.messages.items())
    later = ClusterOrders.of(replace(takedowns, epoch=4), index_ids, addresses, orders)
    assert later.key != orders.key
