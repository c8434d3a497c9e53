"""Step 4: of all maximal spans, the few that are long and unlikely enough to show.

Law: everything that depends on a count runs here, after the counts are summed over the shards; a span may be dropped,
never shortened (a shorter span has another count).
"""

import math

import numpy as np
import numpy.typing as npt

from coordinator.requests import SpanRanking, TraceOptions
from coordinator.steps.union import CorpusMatches
from coordinator.values import MaximalSpan, Positions

# What infini-gram adds to a span's sum for a token that the corpus does not hold.
_UNSEEN_LOGPROB = -10_000.0

SpanNumbers = npt.NDArray[np.intp]
Logprobs = npt.NDArray[np.float64]


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
    sums = _sums(_unigram_logprobs(matches), matches.starts[allowed], matches.ends[allowed]).tolist()
    starts, ends = matches.starts[allowed].tolist(), matches.ends[allowed].tolist()
    order = range(len(sums))
    if options.span_ranking is SpanRanking.LENGTH:
        ranked = sorted(order, key=lambda number: starts[number] - ends[number])
    else:
        ranked = sorted(order, key=sums.__getitem__)
    kept = sorted(ranked[:num_kept])
    numbers = allowed[kept]
    return tuple(
        MaximalSpan(starts[number], ends[number], count, intervals, sums[number], withheld)
        for number, count, intervals, withheld in zip(
            kept,
            matches.counts[numbers].tolist(),
            matches.intervals(numbers),
            matches.withheld_counts[numbers].tolist(),
            strict=True,
        )
    )


def _sums(logprobs: Logprobs, starts: Positions, ends: Positions) -> Logprobs:
    """Returns the sum over the tokens of each span.

    Logarithms are added one after the other, in order: another order gives other last bits, and other ties. So all
    spans add their first token, then those that have one their second, and so on.
    """
    lengths = ends - starts
    longest_first = np.argsort(lengths)[::-1]
    begins = starts[longest_first].astype(np.intp)
    added = logprobs[begins]
    at_most = np.cumsum(np.bincount(lengths))  # spans of at most each length
    for offset in range(1, len(at_most) - 1):
        longer = len(begins) - at_most[offset]
        added[:longer] += logprobs[begins[:longer] + offset]
    sums = np.empty_like(added)
    sums[longest_first] = added
    return sums


def _unigram_logprobs(matches: CorpusMatches) -> Logprobs:
    """Returns ln(count) - ln(N) for every token of the query."""
    if matches.num_tokens == 0:
        return np.full(len(matches.unigram_counts), _UNSEEN_LOGPROB)
    total = math.log(matches.num_tokens)
    counts = matches.unigram_counts
    # Not NumPy's logarithm: its last bits depend on the processor.
    logs = np.fromiter(map(math.log, np.maximum(counts, 1).tolist()), dtype=np.float64, count=len(counts))
    return np.where(counts > 0, logs - total, _UNSEEN_LOGPROB)
