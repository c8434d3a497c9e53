"""Two answers are the same if they differ only in how they came about; coverage is a part of an answer."""

from bench.faults.answers import digest, reasons, searched
from bench.faults.outcomes import Searched
from protos.coordinator.v1 import coordinator_pb2 as pb


def trace(answer: str = "one", *, reason: str = "gone", missing: str = "web:1", total_ms: float = 1.0) -> pb.Trace:
    corpus = pb.CorpusCoverage(
        corpus="web", index_id="first", failed_shards=[pb.FailedShard(shard=missing, reason=reason)]
    )
    return pb.Trace(
        answer=answer,
        coverage=pb.Coverage(complete=False, counts_are_lower_bounds=True, corpora=[corpus]),
        timings=pb.Timings(total_ms=total_ms),
        stats=pb.TraceStats(suffixes=round(total_ms)),
        cached=total_ms > 5,
    )


def test_times_reads_the_cache_and_reasons_do_not_count() -> None:
    assert digest(trace()) == digest(trace(reason="no answer within 1 s", total_ms=9.0))


def test_text_and_coverage_count() -> None:
    other_claim = trace()
    other_claim.coverage.counts_are_lower_bounds = False
    assert len({digest(one) for one in (trace(), trace("two"), trace(missing="web:2"), other_claim)}) == 4


def test_the_answer_itself_is_left_as_it_is() -> None:
    one = trace()
    digest(one)
    assert one == trace()


def test_what_was_searched_is_what_the_coverage_says() -> None:
    assert searched(trace()) == Searched(complete=False, missing=frozenset({"web:1"}), index_ids=("first",))


def test_reasons_name_the_shards() -> None:
    assert reasons(trace()) == "web:1: gone"
