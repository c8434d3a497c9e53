"""Views take the place of others in one step, and the ones before are kept for a while."""

from typing import cast

import numpy as np
import pytest

import suffix_engine
from index_format.removed_documents import DocumentNumbers
from index_format.takedowns import view_id
from shard_server.errors import ViewGoneError, WrongShardError
from shard_server.views import KEPT_S, ShardViews


class Engine:
    """A shard that knows what it leaves out, and from which of its views it was made."""

    def __init__(self, withheld: tuple[int, ...] = (), made_from: "Engine | None" = None):
        self.withheld = withheld
        self.made_from = made_from

    def without(self, documents: bytes, *, num_threads: int) -> "Engine":
        numbers = tuple(np.frombuffer(documents, "<u8").tolist())
        if 99 in numbers:
            raise suffix_engine.InvalidQueryError("there is no document 99")
        return Engine(numbers, self)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def numbers(*documents: int) -> DocumentNumbers:
    return np.array(documents, dtype=np.uint64)


def views_of(clock: Clock, removed: DocumentNumbers | None = None) -> ShardViews:
    engines = {number: cast(suffix_engine.ShardIndex, Engine()) for number in (0, 1)}
    return ShardViews(engines, {0: numbers() if removed is None else removed}, clock)


def withheld(views: ShardViews, shard: int = 0) -> tuple[int, ...]:
    return cast(Engine, views.view(shard).engine).withheld


def test_what_the_index_removed_is_left_out_of_every_view() -> None:
    views = views_of(Clock(), numbers(3))
    assert withheld(views) == (3,)
    views.replace({0: numbers(1), 1: numbers(0)}, 1, lambda: None)
    assert (withheld(views), withheld(views, 1)) == ((1, 3), (0,))
    views.replace({0: numbers(), 1: numbers()}, 2, lambda: None)
    assert (withheld(views), withheld(views, 1)) == ((3,), ())
    assert [view.view_id for view in views.described()[1].values()] == [view_id(numbers(3)), ""]


def test_a_view_is_made_of_the_present_one_and_only_if_it_differs() -> None:
    views = views_of(Clock())
    views.replace({0: numbers(1)}, 1, lambda: None)
    first = views.view(0)
    views.replace({0: numbers(1, 2)}, 2, lambda: None)
    assert cast(Engine, views.view(0).engine).made_from is cast(Engine, first.engine)
    second = views.view(0)
    views.replace({0: numbers(1, 2)}, 3, lambda: None)
    assert views.view(0) is second
    assert views.described()[0] == 3


def test_the_view_before_is_kept_for_a_while_also_when_others_change() -> None:
    clock = Clock()
    views = views_of(clock)
    views.replace({0: numbers(1)}, 1, lambda: None)
    views.replace({1: numbers(1)}, 2, lambda: None)
    assert views.view_named(0, "").view_id == ""
    clock.now += KEPT_S - 0.1
    assert views.view_named(0, "").view_id == ""
    clock.now += 0.2
    with pytest.raises(ViewGoneError, match=r"^view_id '' of shard 0 is not served here"):
        views.view_named(0, "")
    assert views.view_named(0, view_id(numbers(1))) is views.view(0)
    with pytest.raises(WrongShardError):
        views.view_named(7, "")


def test_what_no_call_was_answered_from_is_not_kept() -> None:
    views = views_of(Clock())
    views.replace({0: numbers(1)}, 1, lambda: None, known={})
    assert withheld(views) == (1,)
    with pytest.raises(ViewGoneError, match=r"^view_id '' of shard 0 is not served here"):
        views.view_named(0, "")


@pytest.mark.parametrize("fails", ["engine", "publish"])
def test_nothing_changes_when_a_view_cannot_be_made_or_published(fails: str) -> None:
    def publish() -> None:
        raise OSError("disk full")

    views = views_of(Clock())
    with pytest.raises((suffix_engine.InvalidQueryError, OSError)):
        views.replace({0: numbers(1), 1: numbers(99 if fails == "engine" else 2)}, 5, publish)
    assert (views.described()[0], withheld(views), withheld(views, 1)) == (0, (), ())
