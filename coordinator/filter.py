"""Step 4: of all maximal spans, the few that are long and unlikely enough to show.

Law: everything that depends on a count runs here, after the counts are summed over the shards; a span may be dropped,
never shortened (a shorter span has another count).
"""

import functools
import math
import operator

import numpy as np
import numpy.typing as npt

from coordinator.union import CorpusMatches
from coordinator.values import MaximalSpan, SpanRanking, TraceOptions

# What infini-gram adds to a span's sum for a token that the corpus does not hold.
_UNSEEN_LOGPROB = -10_000.0

SpanNumbers = npt.NDArray[np.intp]


def allowed_spans(matches: CorpusMatches, options: TraceOptions) -> SpanNumbers:
    """Returns the numbers of the maximal spans that are neither too short nor too frequent, ascending.

    infini-gram's ``attribute`` drops first and takes the maximal spans of what is left. That is the same: where a span
    is inside another that ends with it, the other is longer and occurs no more often, so it is never dropped alone.
    """
    is_long = matches.ends - matches.starts >= options.min_span_tokens
    return np.flatnonzero(is_long & (matches.counts <= options.max_count))


def keep_spans(matches: CorpusMatches, allowed: SpanNumbers, options: TraceOptions) -> tuple[MaximalSpan, ...]:
    """Returns the ceil(density x tokens) allowed spans that rank first, in reading order; of two alike the earlier."""
    num_kept = math.ceil(len(matches.unigram_counts) * options.max_span_density)
    starts, ends = matches.starts[allowed].tolist(), matches.ends[allowed].tolist()
    logprobs = _unigram_logprobs(matches)
    # Logarithms are added one after the other, in order: another order gives other last bits, and other ties.
    sums = [functools.reduce(operator.add, logprobs[start:end]) for start, end in zip(starts, ends, strict=True)]
    order = range(len(sums))
    if options.span_ranking is SpanRanking.LENGTH:
        ranked = sorted(order, key=lambda number: starts[number] - ends[number])
    else:
        ranked = sorted(order, key=sums.__getitem__)
    kept = sorted(ranked[:num_kept])
    numbers = allowed[kept]
    return tuple(
        MaximalSpan(starts[number], ends[number], count, intervals, sums[number])
        for number, count, intervals in zip(
            kept, matches.counts[numbers].tolist(), matches.intervals(numbers), strict=True
        )
    )


def _unigram_logprobs(matches: CorpusMatches) -> list[float]:
    """Returns ln(count) - ln(N) for every token of the query."""
    if matches.num_tokens == 0:
        return [_UNSEEN_LOGPROB] * len(matches.unigram_counts)
    total = math.log(matches.num_tokens)
    return [math.log(count) - total if count else _UNSEEN_LOGPROB for count in matches.unigram_counts.tolist()]
