import pytest

from coordinator.read_counts import NO_READS, TraceStats
from coordinator.results import Coverage, Ranking, SpansFound, Timings, Trace
from coordinator.streaming import events_of, trace_of

COVERAGE = Coverage(complete=True, counts_are_lower_bounds=False, share_searched=1.0, corpora=())
SPANS = SpansFound(num_tokens=3, spans=(), merged_spans=(), num_maximal_spans=0, coverage=COVERAGE)
TIMINGS = Timings(1, 2, 3, 4, 5, 15)
STATS = TraceStats(1, 2.0, NO_READS, NO_READS)
LATER = Coverage(complete=False, counts_are_lower_bounds=False, share_searched=1.0, corpora=())
RANKING = Ranking((), (), (), LATER, TIMINGS, STATS, cached=True)


def test_a_trace_without_documents_is_told_by_its_spans_and_its_ranking():
    trace = Trace("x", 3, (), (), (), 0, LATER, TIMINGS, STATS, cached=True)
    assert [type(event) for event in events_of(trace)] == [SpansFound, Ranking]
    assert trace_of("x", events_of(trace)) == trace


def test_the_coverage_of_the_ranking_is_that_of_the_trace():
    assert trace_of("x", [SPANS, RANKING]).coverage == LATER


@pytest.mark.parametrize("events", [[], [SPANS], [RANKING], [RANKING, SPANS]])
def test_events_without_a_beginning_or_an_end_tell_no_trace(events):
    with pytest.raises(ValueError, match="the events of the trace are not complete"):
        trace_of("x", events)
