"""Values with something in every field, for the tests of what goes over the wire."""

from coordinator.read_counts import ReadCounts, TraceStats
from coordinator.results import (
    CorpusCoverage,
    CorpusDescription,
    Coverage,
    Description,
    Document,
    DocumentRank,
    DocumentsFound,
    MergedSpan,
    Ranking,
    Relevance,
    Snippet,
    Span,
    SpansFound,
    Timings,
    Trace,
    Withheld,
)
from coordinator.values import DocumentId, FailedShard, ShardDescription, ShardId

METADATA = {"source": "naïve", "list": [1, None, {"deep": 2.5}]}
FAILED = (FailedShard(ShardId("pre", 1), "127.0.0.1:7002: UNAVAILABLE: refused"),)
COVERAGE = Coverage(
    complete=False,
    counts_are_lower_bounds=True,
    share_searched=1 / 3,
    corpora=(
        CorpusCoverage("pre", "0123456789abcdef", 3, 2, 3 * 2**40, 2**40, FAILED),
        CorpusCoverage("post", "fedcba9876543210", 1, 1, 7, 7, ()),
    ),
)
TIMINGS = Timings(0.1, 0.2, 0.3, 0.4, 0.5, 1.5)
STATS = TraceStats(5, 2.6, ReadCounts(1, 2, 3, 4, 2**40), ReadCounts(5, 6, 7, 8, 9))
DOCUMENT = Document(
    id=DocumentId("pre", 3, 2**40),
    corpus="pre",
    stage="pre-training",
    source="wiki",
    url="https://example.org",
    metadata=METADATA,
    num_tokens=2**33,
    start=5,
    end=505,
    text="text 🦊\r\nof two lines",
    score=0.1 + 0.2,
    relevance_score=1 / 3,
    relevance=Relevance.LOW,
    snippets=(Snippet("snippet", 1, 4, 0, 2**33, 2**33 + 2),),
    spans=(0,),
    num_redacted=3,
)
WITHHELD = Withheld(occurrences=2**40, redacted=3, documents=2)
TRACE = Trace(
    answer="a naïve 🦊",
    num_tokens=7,
    spans=(Span(1, 3, 2, 7, "naïve", 2**40, -12.345678901234567, Relevance.HIGH, (0,), 2**33),),
    merged_spans=(MergedSpan(1, 3, 2, 7, "naïve", Relevance.MEDIUM, (0,), (0,)),),
    documents=(DOCUMENT,),
    num_maximal_spans=9,
    coverage=COVERAGE,
    timings=TIMINGS,
    stats=STATS,
    cached=True,
    withheld=WITHHELD,
)
SPANS_FOUND = SpansFound(
    num_tokens=7,
    spans=(Span(1, 3, 2, 7, "naïve", 2**40, -12.345678901234567, Relevance.UNKNOWN, (), 2**33),),
    merged_spans=(MergedSpan(1, 3, 2, 7, "naïve", Relevance.UNKNOWN, (0,), ()),),
    num_maximal_spans=9,
    coverage=COVERAGE,
)
DOCUMENTS_FOUND = DocumentsFound((DOCUMENT,))
RANKING = Ranking(
    documents=(DocumentRank(DOCUMENT.id, 0.1 + 0.2, 1 / 3, Relevance.LOW),),
    span_relevances=(Relevance.HIGH,),
    merged_span_relevances=(Relevance.MEDIUM,),
    coverage=COVERAGE,
    timings=TIMINGS,
    stats=STATS,
    cached=True,
    withheld=WITHHELD,
)
EVENTS = (SPANS_FOUND, DOCUMENTS_FOUND, RANKING)
DESCRIPTION = Description(
    corpora=(
        CorpusDescription(
            name="pre",
            display_name="Pre-training",
            stage="pre-training",
            source="web",
            index_id="0123456789abcdef",
            tokenizer_sha256="f" * 64,
            token_width=2,
            num_tokens=2**40,
            num_documents=2**30,
            num_shards=2,
            shards=(ShardDescription(ShardId("pre", 0), "id", 1, 2, "f" * 64, 2**40, 2**30, 3, 2),),
            failed_shards=FAILED,
        ),
    ),
    max_answer_chars=50_000,
    max_prompt_chars=200_000,
    max_document_tokens=100_000,
)
