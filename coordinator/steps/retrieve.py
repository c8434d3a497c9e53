"""Step 5: the occurrences to show are drawn, and their windows fetched from the shards that hold them.

Law: each window holds its span's token ids verbatim, at the stated position. The draw depends only on the counts: the
occurrences of a span are numbered by shard, then rank, and a seeded sample of the numbers is taken.
"""

import random
from collections import defaultdict
from collections.abc import Sequence

from coordinator.errors import CoordinatorError, InvalidRequestError
from coordinator.options import RequestLimits
from coordinator.ports import ShardPort
from coordinator.read_counts import NO_READS
from coordinator.steps.fan_out import ask
from coordinator.values import (
    MaximalSpan,
    Occurrence,
    Query,
    Retrieved,
    ShardId,
    ShardWindows,
    TraceOptions,
    Window,
    WindowQuery,
)


class WindowMismatchError(CoordinatorError):
    """A shard returned a window that does not hold the span it was asked for: it serves another index."""


def draw(span: MaximalSpan, options: TraceOptions) -> list[tuple[ShardId, int]]:
    """Returns the ``(shard, rank)`` of the occurrences of a span to show, in the order they are shown.

    All of them if there are few; otherwise what OLMoTrace draws: ``random.Random(seed).sample`` over the occurrences in
    global order. Sampling numbers picks the same ones as sampling the list, and needs no list.
    """
    if span.count <= options.max_occurrences_per_span:
        numbers: Sequence[int] = range(span.count)
    else:
        generator = random.Random(options.seed)  # noqa: S311 - a reproducible draw, not a secret
        numbers = generator.sample(range(span.count), options.max_occurrences_per_span)
    return [_occurrence(span, number) for number in numbers]


async def retrieve(
    query: Query,
    spans: Sequence[MaximalSpan],
    shards: Sequence[ShardPort],
    options: TraceOptions,
    limits: RequestLimits,
    deadline_s: float,
) -> Retrieved:
    """Returns the windows of the drawn occurrences, by span and then in drawn order.

    One call goes to each shard that holds a drawn occurrence; those of a shard that does not answer are left out.

    Raises:
        InvalidRequestError: more windows are asked for than ``limits.max_windows``.
        WindowMismatchError: a shard's window does not hold its span.
    """
    drawn = [(number, *place) for number, span in enumerate(spans) for place in draw(span, options)]
    if len(drawn) > limits.max_windows:
        raise InvalidRequestError(
            f"the trace would read {len(drawn)} windows, the limit is {limits.max_windows}; "
            "lower max_occurrences_per_span or max_span_density"
        )
    places: dict[ShardId, list[int]] = defaultdict(list)
    for index, (_, shard, _) in enumerate(drawn):
        places[shard].append(index)

    def window_query(shard: ShardId) -> WindowQuery:
        chosen = [drawn[index] for index in places[shard]]
        return WindowQuery(
            ranks=tuple(rank for _, _, rank in chosen),
            lengths=tuple(spans[number].end - spans[number].start for number, _, _ in chosen),
            context_tokens=options.context_tokens,
            snippet_tokens=options.snippet_tokens,
        )

    async def fetch(shard: ShardPort) -> tuple[ShardId, ShardWindows]:
        return shard.shard, await shard.get_windows(window_query(shard.shard), deadline_s)

    asked = [shard for shard in shards if shard.shard in places]
    answers, failed = await ask(asked, fetch, deadline_s)
    windows = {
        index: window for shard, found in answers for index, window in zip(places[shard], found.windows, strict=True)
    }
    token_ids = tuple(query.token_ids.tolist())
    occurrences = []
    for index, (number, shard, _) in enumerate(drawn):
        if index in windows:
            _check_window(token_ids, spans[number], shard, windows[index])
            occurrences.append(Occurrence(number, windows[index]))
    reads = sum((found.reads for _, found in answers), NO_READS)
    return Retrieved(tuple(occurrences), tuple(failed), reads)


def _occurrence(span: MaximalSpan, number: int) -> tuple[ShardId, int]:
    """Returns the shard and rank of occurrence ``number``, counted by shard and then rank."""
    for interval in span.intervals:
        size = interval.end - interval.start
        if number < size:
            return interval.shard, interval.start + number
        number -= size
    raise AssertionError("a span's count is the sum of its intervals")


def _check_window(token_ids: tuple[int, ...], span: MaximalSpan, shard: ShardId, window: Window) -> None:
    if window.match_token_ids != token_ids[span.start : span.end]:
        raise WindowMismatchError(
            f"shard {shard}: the window at token {window.match_start} of document {window.document} does not hold the "
            f"span of {span.end - span.start} tokens that its ranks point to; does it serve another index?"
        )
