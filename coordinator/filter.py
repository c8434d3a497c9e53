"""Step 4: of all longest matches, the maximal ones; of those, the few that are long and unlikely enough to show.

Law: everything that depends on a count runs here, after the counts are summed over the shards; a span may be dropped,
never shortened (a shorter span has another count).
"""

import functools
import math
import operator
from collections.abc import Sequence

import numpy as np

from coordinator.union import CorpusMatches
from coordinator.values import MaximalSpan, Query, SpanRanking, TraceOptions

# What infini-gram adds to a span's sum for a token that the corpus does not hold.
_UNSEEN_LOGPROB = -10_000.0


def maximal_spans(matches: CorpusMatches, options: TraceOptions) -> list[MaximalSpan]:
    """Returns the matches that are contained in no other, ascending by start.

    As infini-gram's ``attribute`` does it, matches that are too short or too frequent are dropped first; a span is then
    maximal if it ends after every span that starts before it.
    """
    allowed = (matches.ends - matches.starts >= options.min_span_tokens) & (matches.counts <= options.max_count)
    candidates = np.flatnonzero(allowed)
    ends = matches.ends[candidates].astype(np.int64)
    ends_before = np.concatenate(([-1], np.maximum.accumulate(ends)[:-1]))[: len(ends)]
    logprobs = _unigram_logprobs(matches)
    maximal = candidates[ends > ends_before]
    columns = (matches.starts[maximal], matches.ends[maximal], matches.counts[maximal])
    return [
        # Logarithms are added one after the other, in order: another order gives other last bits, and other ties.
        MaximalSpan(start, end, count, intervals, functools.reduce(operator.add, logprobs[start:end]))
        for start, end, count, intervals in zip(
            *(column.tolist() for column in columns), matches.intervals(maximal), strict=True
        )
    ]


def keep_spans(spans: Sequence[MaximalSpan], query: Query, options: TraceOptions) -> tuple[MaximalSpan, ...]:
    """Returns the ceil(density x tokens) spans that rank first, in reading order. Ties go to the earlier span."""
    num_kept = math.ceil(len(query.token_ids) * options.max_span_density)
    if options.span_ranking is SpanRanking.LENGTH:
        ranked = sorted(spans, key=lambda span: span.start - span.end)
    else:
        ranked = sorted(spans, key=lambda span: span.unigram_logprob_sum)
    return tuple(sorted(ranked[:num_kept], key=lambda span: span.start))


def _unigram_logprobs(matches: CorpusMatches) -> list[float]:
    """Returns ln(count) - ln(N) for every token of the query."""
    if matches.num_tokens == 0:
        return [_UNSEEN_LOGPROB] * len(matches.unigram_counts)
    total = math.log(matches.num_tokens)
    return [math.log(count) - total if count else _UNSEEN_LOGPROB for count in matches.unigram_counts.tolist()]
