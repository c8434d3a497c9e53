import asyncio
import random

import numpy as np
import pytest

from coordinator.errors import InvalidRequestError, ShardUnavailableError
from coordinator.options import RequestLimits
from coordinator.requests import TraceOptions
from coordinator.steps.retrieve import WindowMismatchError, draw, retrieve
from coordinator.values import DocumentId, MaximalSpan, Query, RankInterval, ShardId, ShardWindows, Window

QUERY = Query(
    text="",
    token_ids=np.array([7, 8, 9], dtype=np.uint32),
    boundaries=np.zeros(4, dtype=np.uint32),
    word_starts=np.arange(3, dtype=np.uint32),
    cuts=np.zeros(0, dtype=np.uint32),
)


def span(start, end, *intervals):
    found = tuple(RankInterval(ShardId("default", shard), low, high) for shard, low, high in intervals)
    count = sum(interval.end - interval.start for interval in found)
    return MaximalSpan(start, end, count, found, -1.0)


class Shard:
    """A shard whose windows hold the right tokens unless the test says otherwise."""

    def __init__(self, number, *, fails=False, token_ids=None):
        self.shard = ShardId("default", number)
        self._fails = fails
        self._token_ids = token_ids
        self.asked = []

    async def get_windows(self, windows, deadline_s):
        if self._fails:
            raise ShardUnavailableError("gone")
        self.asked.append(windows)
        places = zip(windows.ranks, windows.lengths, strict=True)
        return ShardWindows(tuple(self._window(rank, length) for rank, length in places))

    def _window(self, rank, length):
        return Window(
            document=DocumentId(self.shard, rank),
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


def run(spans, shards, options=None, limits=None):
    return asyncio.run(retrieve(QUERY, spans, shards, options or TraceOptions(), limits or RequestLimits(), 1.0))


def test_few_occurrences_are_all_shown_by_shard_then_rank():
    assert draw(span(0, 1, (0, 5, 7), (2, 90, 92)), TraceOptions()) == [(0, 5), (0, 6), (2, 90), (2, 91)]


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
    assert [(shard.shard, shard.reason) for shard in found.failed] == [(0, "gone")]


def test_a_window_without_its_span_is_an_error_that_names_the_shard():
    with pytest.raises(WindowMismatchError, match="shard 3"):
        run([span(0, 2, (3, 0, 1))], [Shard(3, token_ids=[7, 9])])


def test_a_trace_that_would_read_too_many_windows_is_refused():
    with pytest.raises(InvalidRequestError, match="would read 20 windows, the limit is 19"):
        run([span(0, 1, (0, 0, 10))] * 2, [Shard(0)], limits=RequestLimits(max_windows=19))
