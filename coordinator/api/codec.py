"""The messages of protos/coordinator/v1 from and to the pipeline's values."""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields

from coordinator.api.json_codec import parse_document_id, parse_shard_id
from coordinator.read_counts import ReadCounts, TraceStats
from coordinator.results import (
    NOTHING_WITHHELD,
    CorpusCoverage,
    Count,
    Coverage,
    Document,
    DocumentText,
    MergedSpan,
    Relevance,
    Snippet,
    Span,
    Timings,
    Trace,
    Withheld,
)
from coordinator.values import FailedShard
from protos.coordinator.v1 import coordinator_pb2 as pb

RELEVANCES = {
    each: pb.RELEVANCE_UNSPECIFIED if each is Relevance.UNKNOWN else pb.Relevance.Value(f"RELEVANCE_{each.name}")
    for each in Relevance
}
RELEVANCES_BY_NUMBER = {number: each for each, number in RELEVANCES.items()}

# One encoder for all: `json.dumps` makes one a call.
_to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode

_TIMINGS = tuple(field.name for field in fields(Timings))


def encode_trace(trace: Trace) -> pb.TraceResponse:
    """Returns the message of a trace. Its lists are filled in place: a message made apart would be copied into it."""
    response = pb.TraceResponse()
    encoded = response.trace
    encoded.answer = trace.answer
    encoded.num_tokens = trace.num_tokens
    for span in trace.spans:
        add_span(encoded, span)
    for merged_span in trace.merged_spans:
        add_merged_span(encoded, merged_span)
    for document in trace.documents:
        add_document(encoded, document)
    encoded.num_maximal_spans = trace.num_maximal_spans
    encoded.coverage.CopyFrom(encode_coverage(trace.coverage))
    encoded.timings.CopyFrom(encode_timings(trace.timings))
    encoded.stats.CopyFrom(encode_stats(trace.stats))
    encoded.cached = trace.cached
    encode_withheld(trace.withheld, encoded.withheld)
    return response


def decode_trace(response: pb.TraceResponse) -> Trace:
    """Returns the trace of a message."""
    trace = response.trace
    return Trace(
        answer=trace.answer,
        num_tokens=trace.num_tokens,
        spans=tuple(map(decode_span, trace.spans)),
        merged_spans=tuple(map(decode_merged_span, trace.merged_spans)),
        documents=tuple(map(decode_document, trace.documents)),
        num_maximal_spans=trace.num_maximal_spans,
        coverage=decode_coverage(trace.coverage),
        timings=decode_timings(trace.timings),
        stats=decode_stats(trace.stats),
        cached=trace.cached,
        withheld=decode_withheld(trace.withheld),
    )


def encode_coverage(coverage: Coverage) -> pb.Coverage:
    """Returns the message of a coverage."""
    return pb.Coverage(
        complete=coverage.complete,
        counts_are_lower_bounds=coverage.counts_are_lower_bounds,
        share_searched=coverage.share_searched,
        corpora=[
            pb.CorpusCoverage(
                corpus=corpus.corpus,
                index_id=corpus.index_id,
                shards_asked=corpus.shards_asked,
                shards_answered=corpus.shards_answered,
                num_tokens=corpus.num_tokens,
                tokens_searched=corpus.tokens_searched,
                failed_shards=encode_failed(corpus.failed_shards),
            )
            for corpus in coverage.corpora
        ],
    )


def decode_coverage(coverage: pb.Coverage) -> Coverage:
    """Returns the coverage of a message."""
    return Coverage(
        complete=coverage.complete,
        counts_are_lower_bounds=coverage.counts_are_lower_bounds,
        share_searched=coverage.share_searched,
        corpora=tuple(
            CorpusCoverage(
                corpus=corpus.corpus,
                index_id=corpus.index_id,
                shards_asked=corpus.shards_asked,
                shards_answered=corpus.shards_answered,
                num_tokens=corpus.num_tokens,
                tokens_searched=corpus.tokens_searched,
                failed_shards=decode_failed(corpus.failed_shards),
            )
            for corpus in coverage.corpora
        ),
    )


def encode_count(count: Count) -> pb.CountResponse:
    """Returns the message of a count."""
    response = pb.CountResponse(
        num_tokens=count.num_tokens, count=count.count, coverage=encode_coverage(count.coverage)
    )
    encode_withheld(count.withheld, response.withheld)
    return response


def decode_count(count: pb.CountResponse) -> Count:
    """Returns the count of a message."""
    return Count(
        num_tokens=count.num_tokens,
        count=count.count,
        coverage=decode_coverage(count.coverage),
        withheld=decode_withheld(count.withheld),
    )


def encode_document_text(document: DocumentText) -> pb.GetDocumentResponse:
    """Returns the message of a run of a document."""
    response = pb.GetDocumentResponse(
        id=str(document.id),
        corpus=document.corpus,
        stage=document.stage,
        source=document.source,
        url=document.url,
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        metadata_json=_to_json(document.metadata),
        index_id=document.index_id,
    )
    encode_withheld(document.withheld, response.withheld)
    return response


def decode_document_text(document: pb.GetDocumentResponse) -> DocumentText:
    """Returns the run of a document in a message."""
    return DocumentText(
        id=parse_document_id(document.id),
        corpus=document.corpus,
        stage=document.stage,
        source=document.source,
        url=document.url,
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        metadata=json.loads(document.metadata_json),
        index_id=document.index_id,
        withheld=decode_withheld(document.withheld),
    )


def encode_withheld(withheld: Withheld, message: pb.Withheld) -> None:
    """Fills the message of what is not shown; one that nothing is withheld from is not sent."""
    if withheld != NOTHING_WITHHELD:
        message.occurrences = withheld.occurrences
        message.redacted = withheld.redacted
        message.documents = withheld.documents
        message.occurrences_untold = withheld.occurrences_untold


def decode_withheld(withheld: pb.Withheld) -> Withheld:
    """Returns what is not shown, of a message."""
    return Withheld(withheld.occurrences, withheld.redacted, withheld.documents, withheld.occurrences_untold)


def add_span(message: pb.Trace | pb.TraceSpans, span: Span) -> None:
    """Adds a span to a message."""
    message.spans.add(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        count=span.count,
        unigram_logprob_sum=span.unigram_logprob_sum,
        relevance=RELEVANCES[span.relevance],
        documents=span.documents,
        withheld_count=span.withheld_count,
    )


def decode_span(span: pb.Span) -> Span:
    """Returns the span of a message."""
    return Span(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        count=span.count,
        unigram_logprob_sum=span.unigram_logprob_sum,
        relevance=RELEVANCES_BY_NUMBER[span.relevance],
        documents=tuple(span.documents),
        withheld_count=span.withheld_count,
    )


def add_merged_span(message: pb.Trace | pb.TraceSpans, span: MergedSpan) -> None:
    """Adds a highlight to a message."""
    message.merged_spans.add(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        relevance=RELEVANCES[span.relevance],
        spans=span.spans,
        documents=span.documents,
    )


def decode_merged_span(span: pb.MergedSpan) -> MergedSpan:
    """Returns the highlight of a message."""
    return MergedSpan(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        relevance=RELEVANCES_BY_NUMBER[span.relevance],
        spans=tuple(span.spans),
        documents=tuple(span.documents),
    )


def add_document(message: pb.Trace | pb.TraceDocuments, document: Document) -> None:
    """Adds a document to a message."""
    encoded = message.documents.add(
        id=str(document.id),
        corpus=document.corpus,
        stage=document.stage,
        source=document.source,
        url=document.url,
        metadata_json=_to_json(document.metadata),
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        score=document.score,
        relevance_score=document.relevance_score,
        relevance=RELEVANCES[document.relevance],
        spans=document.spans,
        num_redacted=document.num_redacted,
    )
    for snippet in document.snippets:
        encoded.snippets.add(
            text=snippet.text,
            start_char=snippet.start_char,
            end_char=snippet.end_char,
            span=snippet.span,
            start=snippet.start,
            end=snippet.end,
        )


def decode_document(document: pb.Document) -> Document:
    """Returns the document of a message."""
    return Document(
        id=parse_document_id(document.id),
        corpus=document.corpus,
        stage=document.stage,
        source=document.source,
        url=document.url,
        metadata=json.loads(document.metadata_json),
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        score=document.score,
        relevance_score=document.relevance_score,
        relevance=RELEVANCES_BY_NUMBER[document.relevance],
        snippets=tuple(
            Snippet(
                text=snippet.text,
                start_char=snippet.start_char,
                end_char=snippet.end_char,
                span=snippet.span,
                start=snippet.start,
                end=snippet.end,
            )
            for snippet in document.snippets
        ),
        spans=tuple(document.spans),
        num_redacted=document.num_redacted,
    )


def encode_timings(timings: Timings) -> pb.Timings:
    """Returns the message of a trace's times."""
    return pb.Timings(**asdict(timings))


def decode_timings(timings: pb.Timings) -> Timings:
    """Returns the times of a message."""
    return Timings(**{name: getattr(timings, name) for name in _TIMINGS})


def encode_stats(stats: TraceStats) -> pb.TraceStats:
    """Returns the message of a trace's reads."""
    return pb.TraceStats(
        suffixes=stats.suffixes,
        reads_per_suffix=stats.reads_per_suffix,
        search_reads=pb.ReadCounts(**asdict(stats.search_reads)),
        retrieval_reads=pb.ReadCounts(**asdict(stats.retrieval_reads)),
    )


def decode_stats(stats: pb.TraceStats) -> TraceStats:
    """Returns the reads of a message."""
    return TraceStats(
        suffixes=stats.suffixes,
        reads_per_suffix=stats.reads_per_suffix,
        search_reads=_decode_reads(stats.search_reads),
        retrieval_reads=_decode_reads(stats.retrieval_reads),
    )


def _decode_reads(reads: pb.ReadCounts) -> ReadCounts:
    return ReadCounts(reads.table, reads.fan_out, reads.text, reads.documents, reads.size_bytes)


def encode_failed(failed: Iterable[FailedShard]) -> list[pb.FailedShard]:
    """Returns the messages of shards that did not answer."""
    return [pb.FailedShard(shard=str(each.shard), reason=each.reason) for each in failed]


def decode_failed(failed: Iterable[pb.FailedShard]) -> tuple[FailedShard, ...]:
    """Returns the shards of messages that did not answer."""
    return tuple(FailedShard(parse_shard_id(each.shard), each.reason) for each in failed)
