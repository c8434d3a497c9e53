"""Step 5: the occurrences to show are drawn, and their windows fetched from the shards that hold them.

Law: each window holds its span's token ids verbatim, at the stated position. The draw depends only on the counts: the
occurrences of a span are numbered by shard, then rank, and a seeded sample of the numbers is taken.
"""

import random
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from operator import itemgetter
from typing import NamedTuple

from coordinator.errors import InvalidRequestError, ShardUnavailableError, ViewChangedError, WindowMismatchError
from coordinator.options import RequestLimits
from coordinator.ports import ShardPort
from coordinator.read_counts import NO_READS
from coordinator.requests import TraceOptions
from coordinator.steps.fan_out import Answer, ask_each
from coordinator.values import MaximalSpan, Occurrence, Query, Retrieved, ShardId, ShardWindows, WindowQuery


class Drawn(NamedTuple):
    """An occurrence to show: its place among all that were drawn, its span's number, and where it stands."""

    place: int
    span: int
    shard: ShardId
    rank: int


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


def draw_all(spans: Sequence[MaximalSpan], options: TraceOptions, limits: RequestLimits) -> dict[ShardId, list[Drawn]]:
    """Returns the drawn occurrences of all spans, by span and then in drawn order, for each shard that holds some.

    Raises:
        InvalidRequestError: they are more than ``limits.max_windows``, or their windows may hold more tokens than
            ``limits.max_window_tokens``.
    """
    drawn = [(number, *place) for number, span in enumerate(spans) for place in draw(span, options)]
    if len(drawn) > limits.max_windows:
        raise InvalidRequestError(
            f"the trace would read {len(drawn)} windows, the limit is {limits.max_windows}; "
            "lower max_occurrences_per_span or max_span_density"
        )
    num_tokens = sum(2 * options.context_tokens + spans[number].end - spans[number].start for number, *_ in drawn)
    if num_tokens > limits.max_window_tokens:
        raise InvalidRequestError(
            f"the trace would read {num_tokens} tokens in {len(drawn)} windows, the limit is "
            f"{limits.max_window_tokens}; lower context_tokens, max_occurrences_per_span or max_span_density"
        )
    by_shard: dict[ShardId, list[Drawn]] = defaultdict(list)
    for place, (number, shard, rank) in enumerate(drawn):
        by_shard[shard].append(Drawn(place, number, shard, rank))
    return by_shard


async def retrieve_each(
    query: Query,
    spans: Sequence[MaximalSpan],
    drawn: dict[ShardId, list[Drawn]],
    shards: Sequence[ShardPort],
    options: TraceOptions,
    deadline_s: float,
    views: Mapping[ShardId, str],
    *,
    may_begin_again: bool = False,
) -> AsyncGenerator[tuple[Sequence[Drawn], Retrieved], None]:
    """Yields, for each shard that holds drawn occurrences, which were asked for and what it answered, as they come.

    Those of a shard that does not answer, or not with the windows that were asked for, are left out. ``views`` are
    those of the answers that the drawn ranks are of. If one is gone, that is `ViewChangedError` with
    ``may_begin_again``, otherwise its shard has not answered.
    """
    token_ids = tuple(query.token_ids.tolist())
    texts = [token_ids[span.start : span.end] for span in spans]
    asked = [shard for shard in shards if shard.shard in drawn]

    async def fetch(shard: ShardPort) -> ShardWindows:
        chosen = drawn[shard.shard]
        wanted = WindowQuery(
            ranks=tuple(one.rank for one in chosen),
            token_ids=tuple(texts[one.span] for one in chosen),
            context_tokens=options.context_tokens,
            snippet_tokens=options.snippet_tokens,
            view_id=views[shard.shard],
        )
        try:
            found = await shard.get_windows(wanted, deadline_s)
        except ViewChangedError as error:
            if may_begin_again:
                raise
            raise ShardUnavailableError(str(error)) from None
        check_windows(wanted, found)
        return found

    async with aclosing(ask_each(asked, fetch, deadline_s)) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome, Answer):
                chosen, found = drawn[asked[outcome.place].shard], outcome.value
                occurrences = tuple(
                    Occurrence(one.span, window) for one, window in zip(chosen, found.windows, strict=True)
                )
                yield chosen, Retrieved(occurrences, reads=found.reads)
            else:
                yield (), Retrieved(failed=(outcome,))


def gathered(parts: Sequence[tuple[Sequence[Drawn], Retrieved]]) -> Retrieved:
    """Returns what all shards answered: occurrences by span and then in drawn order, whichever shard was first."""
    placed = [
        (one.place, occurrence)
        for chosen, part in parts
        for one, occurrence in zip(chosen, part.occurrences, strict=True)
    ]
    placed.sort(key=itemgetter(0))
    return Retrieved(
        occurrences=tuple(occurrence for _, occurrence in placed),
        failed=tuple(sorted((one for _, part in parts for one in part.failed), key=lambda one: one.shard)),
        reads=sum((part.reads for _, part in parts), NO_READS),
    )


def check_windows(wanted: WindowQuery, found: ShardWindows) -> None:
    """Checks that every window holds the tokens that stand at its rank.

    Raises:
        WindowMismatchError: one does not, so the shard's files are not those of its index.
    """
    for token_ids, window in zip(wanted.token_ids, found.windows, strict=True):
        if window.match_token_ids != token_ids:
            raise WindowMismatchError(
                f"the window at token {window.match_start} of document {window.document} does not hold "
                f"the {len(token_ids)} tokens that its rank points to; are its files as they were published?"
            )


def _occurrence(span: MaximalSpan, number: int) -> tuple[ShardId, int]:
    """Returns the shard and rank of occurrence ``number``, counted by shard and then rank."""
    for interval in span.intervals:
        size = interval.end - interval.start
        if number < size:
            return interval.shard, interval.start + number
        number -= size
    raise AssertionError("a span's count is the sum of its intervals")
