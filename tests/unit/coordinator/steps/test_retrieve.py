import asyncio
import random

import numpy as np
import pytest

from coordinator.errors import InvalidRequestError, ShardUnavailableError
from coordinator.options import RequestLimits
from coordinator.requests import TraceOptions
from coordinator.steps.retrieve import draw, draw_all, gathered, retrieve_each
from coordinator.values import (
    DocumentId,
    FailedShard,
    MaximalSpan,
    Query,
    RankInterval,
    ShardId,
    ShardWindows,
    Window,
)

QUERY = Query(
    text="",
    token_ids=np.array([7, 8, 9], dtype=np.uint32),
    boundaries=np.zeros(4, dtype=np.uint32),
    word_starts=np.arange(3, dtype=np.uint32),
    cuts=np.zeros(0, dtype=np.uint32),
)


def at(shard, rank):
    return ShardId("default", shard), rank


def span(start, end, *intervals):
    found = tuple(RankInterval(ShardId("default", shard), low, high) for shard, low, high in intervals)
    count = sum(interval.end - interval.start for interval in found)
    return MaximalSpan(start, end, count, found, -1.0)


class Shard:
    """A shard whose windows hold the right tokens unless the test says otherwise."""

    def __init__(self, number, *, fails=False, token_ids=None, waits_for=None):
        self.shard = ShardId("default", number)
        self._fails = fails
        self._token_ids = token_ids
        self._waits_for = waits_for
        self.asked = []

    async def get_windows(self, windows, deadline_s):
        if self._fails:
            raise ShardUnavailableError("gone")
        self.asked.append(windows)
        if self._waits_for is not None:
            await self._waits_for.wait()
        places = zip(windows.ranks, windows.lengths, strict=True)
        return ShardWindows(tuple(self._window(rank, length) for rank, length in places))

    def _window(self, rank, length):
        return Window(
            document=DocumentId(*self.shard, rank),
            document_tokens=100,
            start=0,
            end=10,
            match_start=3,
            match_token_ids=tuple(self._token_ids or [7, 8, 9][:length]),
            text=f"window {rank}",
            match_chars=(0, 1),
            snippet_chars=(0, 2),
            metadata="",
        )


def parts_of(spans, shards):
    """Returns what each shard answered, in the order in which the answers came."""

    async def collect():
        return [part async for part in parts_as_they_come(spans, shards)]

    return asyncio.run(collect())


def parts_as_they_come(spans, shards):
    options = TraceOptions()
    views = {shard.shard: f"view of {shard.shard}" for shard in shards}
    return retrieve_each(QUERY, spans, draw_all(spans, options, RequestLimits()), shards, options, 10.0, views)


def run(spans, shards):
    return gathered(parts_of(spans, shards))


def test_few_occurrences_are_all_shown_by_shard_then_rank():
    assert draw(span(0, 1, (0, 5, 7), (2, 90, 92)), TraceOptions()) == [
        at(0, 5),
        at(0, 6),
        at(2, 90),
        at(2, 91),
    ]


def test_many_are_sampled_as_olmotrace_samples_the_list_of_them():
    everywhere = span(0, 1, (0, 100, 150), (1, 0, 3), (4, 7, 1007))
    listed = [(i.shard, rank) for i in everywhere.intervals for rank in range(i.start, i.end)]
    assert draw(everywhere, TraceOptions()) == random.Random(42).sample(listed, 10)
    options = TraceOptions(seed=7, max_occurrences_per_span=3)
    assert draw(everywhere, options) == random.Random(7).sample(listed, 3)


def test_a_span_of_a_billion_occurrences_is_drawn_without_listing_them():
    assert len(draw(span(0, 1, (0, 0, 10**15)), TraceOptions())) == 10


def test_each_shard_is_asked_once_and_windows_come_back_in_drawn_order():
    shards = [Shard(0), Shard(1), Shard(2)]
    spans = [span(0, 2, (1, 4, 5), (2, 8, 9)), span(0, 1, (0, 1, 2), (1, 6, 7))]
    found = run(spans, shards)
    assert [len(shard.asked) for shard in shards] == [1, 1, 1]
    assert shards[1].asked[0].ranks == (4, 6)
    assert shards[1].asked[0].lengths == (2, 1)
    shown = [(o.span, o.window.document.shard, o.window.document.number) for o in found.occurrences]
    assert shown == [(0, 1, 4), (0, 2, 8), (1, 0, 1), (1, 1, 6)]


def test_a_shard_that_holds_no_drawn_occurrence_is_not_asked():
    shards = [Shard(0), Shard(1)]
    run([span(0, 1, (1, 0, 1))], shards)
    assert shards[0].asked == []


def test_the_occurrences_of_a_failed_shard_are_left_out_and_the_shard_is_named():
    found = run([span(0, 1, (0, 1, 2), (1, 6, 7))], [Shard(0, fails=True), Shard(1)])
    assert [o.window.document.shard for o in found.occurrences] == [1]
    assert found.failed == (FailedShard(ShardId("default", 0), "gone"),)


def test_a_shard_whose_windows_do_not_hold_their_tokens_is_failed_and_shows_nothing():
    found = run([span(0, 2, (1, 6, 7), (3, 0, 1))], [Shard(1), Shard(3, token_ids=[7, 9])])
    assert [o.window.document.shard for o in found.occurrences] == [1]
    (failed,) = found.failed
    assert failed.shard == ShardId("default", 3)
    assert failed.reason.startswith("the window at token 3 of document default:3:0 does not hold")


def test_what_a_shard_answers_is_there_before_a_slower_shard_answers():
    spans = [span(0, 1, (0, 1, 2), (1, 6, 7))]

    async def collect():
        one_is_there = asyncio.Event()
        parts = []
        async for part in parts_as_they_come(spans, [Shard(0, waits_for=one_is_there), Shard(1)]):
            parts.append(part)
            one_is_there.set()
        return parts

    parts = asyncio.run(collect())
    assert [[o.window.document.shard for o in part.occurrences] for _, part in parts] == [[1], [0]]
    assert [o.window.document.shard for o in gathered(parts).occurrences] == [0, 1]


def test_a_trace_that_would_read_too_many_windows_is_refused():
    spans = [span(0, 1, (0, 0, 10))] * 2
    with pytest.raises(InvalidRequestError, match="would read 20 windows, the limit is 19"):
        draw_all(spans, TraceOptions(), RequestLimits(max_windows=19))


def test_a_trace_that_would_read_too_many_tokens_is_refused():
    spans = [span(0, 3, (0, 0, 10))] * 2
    options = TraceOptions(context_tokens=100)
    assert draw_all(spans, options, RequestLimits(max_window_tokens=20 * 203))
    with pytest.raises(InvalidRequestError, match="would read 4060 tokens in 20 windows, the limit is 4059"):
        draw_all(spans, options, RequestLimits(max_window_tokens=4059))


def test_each_shard_is_asked_for_the_view_that_its_ranks_are_of():
    shards = [Shard(0), Shard(1)]
    parts_of([span(0, 1, (0, 5, 6), (1, 9, 10))], shards)
    assert [[query.view_id for query in shard.asked] for shard in shards] == [
        ["view of default:0"],
        ["view of default:1"],
    ]
