"""A trace made by hand, small enough to check by eye: three highlights, one of two spans, in three documents."""

from dataclasses import replace

import pytest

from coordinator.read_counts import ReadCounts, TraceStats
from coordinator.results import (
    CorpusCoverage,
    Coverage,
    Document,
    MergedSpan,
    Relevance,
    Snippet,
    Span,
    Timings,
    Trace,
)
from coordinator.values import DocumentId, FailedShard, ShardId

ANSWER = "A list is a mutable sequence of items.\nUse a tuple when nothing may change; it is a hashable value, too."


def _span(text: str, start: int, end: int, count: int, relevance: Relevance, documents: tuple[int, ...]) -> Span:
    at = ANSWER.index(text)
    return Span(start, end, at, at + len(text), text, count, -1.5 * (end - start), relevance, documents)


def _merged(text: str, start: int, end: int, relevance: Relevance, spans: tuple[int, ...], docs: tuple[int, ...]):
    at = ANSWER.index(text)
    return MergedSpan(start, end, at, at + len(text), text, relevance, spans, docs)


def _snippet(text: str, passage: str, span: int, start: int, length: int) -> Snippet:
    at = text.index(passage)
    return Snippet(text, at, at + len(passage), span, start, start + length)


def _document(number: int, source: str, url: str, metadata: dict, score: float, level: Relevance, **fields):
    return Document(
        id=DocumentId("default", number % 2, number),
        corpus="default",
        stage="pre-training",
        source=source,
        url=url,
        metadata=metadata,
        num_tokens=1_200 + number,
        start=0,
        end=500,
        score=score * 18,
        relevance_score=score,
        relevance=level,
        **fields,
    )


def _coverage(*parts: CorpusCoverage) -> Coverage:
    """Returns the coverage of these corpora, of which no shard was lost after the search."""
    complete = all(part.shards_answered == part.shards_asked for part in parts)
    searched, num_tokens = sum(part.tokens_searched for part in parts), sum(part.num_tokens for part in parts)
    return Coverage(complete, not complete, searched / num_tokens, parts)


@pytest.fixture
def trace() -> Trace:
    spans = (
        _span("is a mutable sequence of", 2, 8, 3, Relevance.HIGH, (0, 1)),
        _span("a mutable sequence of items.", 3, 10, 1, Relevance.HIGH, (0,)),
        _span("nothing may change", 15, 18, 12, Relevance.MEDIUM, (1,)),
        _span("a hashable value", 21, 24, 1_204, Relevance.LOW, (2,)),
    )
    merged = (
        _merged("is a mutable sequence of items.", 2, 10, Relevance.HIGH, (0, 1), (0, 1)),
        _merged("nothing may change", 15, 18, Relevance.MEDIUM, (2,), (1,)),
        _merged("a hashable value", 21, 24, Relevance.LOW, (3,), (2,)),
    )
    first = "In short, a list is a mutable sequence of items. It grows at its end."
    second = "where nothing may change\n    once it was made,\n    a frozen thing"
    third = "Every key is a hashable value in this table."
    documents = (
        _document(
            0,
            "Handbook",
            "https://example.org/lists",
            {"title": "Lists"},
            0.91,
            Relevance.HIGH,
            text=first,
            snippets=(_snippet(first, "is a mutable sequence of", 0, 4, 6),),
            spans=(0, 1),
        ),
        _document(
            1,
            "",
            "",
            {"path": "notes/frozen.txt", "linenum": 6, "metadata": {}},
            0.55,
            Relevance.MEDIUM,
            text=second,
            snippets=(_snippet(second, "nothing may change", 2, 1, 3),),
            spans=(0, 2),
        ),
        _document(
            2,
            "Glossary",
            "",
            {},
            0.04,
            Relevance.LOW,
            text=third,
            snippets=(_snippet(third, "a hashable value", 3, 3, 3),),
            spans=(3,),
        ),
    )
    return Trace(
        answer=ANSWER,
        num_tokens=28,
        spans=spans,
        merged_spans=merged,
        documents=documents,
        num_maximal_spans=9,
        coverage=_coverage(CorpusCoverage("default", "3f9a12cd00112233", 3, 3, 4_812_345, 4_812_345, ())),
        timings=Timings(0.4, 4.1, 0.2, 5.0, 2.6, 12.3),
        stats=TraceStats(22, 2.5, ReadCounts(60, 66, 39, 0, 675_840), ReadCounts(3, 0, 4, 8, 61_440)),
    )


@pytest.fixture
def incomplete_trace(trace: Trace) -> Trace:
    failed = (FailedShard(ShardId("default", 2), "no answer within 0.5 s"),)
    part = CorpusCoverage("default", "3f9a12cd00112233", 3, 2, 4_812_345, 3_100_000, failed)
    return replace(trace, coverage=_coverage(part))


@pytest.fixture
def trace_of_two_corpora(trace: Trace) -> Trace:
    """The same trace with its second document of another corpus."""
    other = replace(trace.documents[1], id=DocumentId("sft", 0, 9), corpus="sft", stage="post-training")
    parts = (trace.coverage.corpora[0], CorpusCoverage("sft", "77aa", 1, 1, 1_000, 1_000, ()))
    documents = (trace.documents[0], other, trace.documents[2])
    return replace(trace, documents=documents, coverage=_coverage(*parts))


@pytest.fixture
def trace_without_some_windows(trace_of_two_corpora: Trace) -> Trace:
    """A trace of two corpora whose every shard was searched, and one was lost after that."""
    first, second = trace_of_two_corpora.coverage.corpora
    failed = (FailedShard(ShardId("sft", 0), "no answer within 0.5 s"),)
    coverage = replace(
        trace_of_two_corpora.coverage,
        complete=False,
        counts_are_lower_bounds=False,
        corpora=(first, replace(second, shards_answered=0, failed_shards=failed)),
    )
    return replace(trace_of_two_corpora, coverage=coverage)


@pytest.fixture
def hostile_trace(trace: Trace) -> Trace:
    """The same trace with text in it that attacks a terminal or a page wherever a stranger could put some."""
    attack = "\x1b[31m\x9b2J\r\u202e[bold]</mark><script>alert(1)</script>\"'&"
    passage = "is a mutable sequence of"
    text = f"{attack} {passage} {attack}"
    document = replace(
        trace.documents[0],
        source=attack,
        url="javascript:alert(1)//" + attack,
        metadata={"title": attack},
        text=text,
        snippets=(_snippet(text, passage, 0, 4, 6),),
    )
    return replace(
        trace,
        answer=trace.answer + attack,
        documents=(document, *trace.documents[1:]),
        coverage=_coverage(
            replace(
                trace.coverage.corpora[0],
                shards_answered=2,
                tokens_searched=9,
                failed_shards=(FailedShard(ShardId("default", 0), attack),),
            )
        ),
    )
