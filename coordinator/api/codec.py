"""The messages of protos/coordinator/v1 from and to the pipeline's values."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from typing import Any

from coordinator.api.json_codec import parse_document_id
from coordinator.errors import InvalidRequestError
from coordinator.read_counts import ReadCounts, TraceStats
from coordinator.values import (
    Count,
    Coverage,
    Document,
    DocumentText,
    FailedShard,
    IndexDescription,
    MergedSpan,
    Relevance,
    ShardDescription,
    ShardId,
    Snippet,
    Span,
    SpanRanking,
    Timings,
    Trace,
    TraceOptions,
    TraceRequest,
)
from protos.coordinator.v1 import coordinator_pb2 as pb

_RANKINGS = {each: pb.SpanRanking.Value(f"SPAN_RANKING_{each.name}") for each in SpanRanking}
_RANKINGS_BY_NUMBER = {number: each for each, number in _RANKINGS.items()}
_RELEVANCES = {each: pb.Relevance.Value(f"RELEVANCE_{each.name}") for each in Relevance}
_RELEVANCES_BY_NUMBER = {number: each for each, number in _RELEVANCES.items()}

# One encoder for all: `json.dumps` makes one a call.
_to_json = json.JSONEncoder(ensure_ascii=False).encode

_TIMINGS = tuple(field.name for field in fields(Timings))

# Options whose message field holds the value itself.
_PLAIN_OPTIONS = (
    "allow_partial_words",
    "min_span_tokens",
    "max_count",
    "max_span_density",
    "max_occurrences_per_span",
    "context_tokens",
    "snippet_tokens",
    "seed",
)


def encode_trace_request(request: TraceRequest, timeout_ms: int) -> pb.TraceRequest:
    """Returns the message of a request, every option written out.

    Raises:
        InvalidRequestError: a text or an option does not fit its field.
    """
    options = request.options
    try:
        encoded = pb.TraceOptions(
            delimiters=pb.Delimiters(texts=options.delimiters),
            span_ranking=_RANKINGS[options.span_ranking],
            **{name: getattr(options, name) for name in _PLAIN_OPTIONS},
        )
        return pb.TraceRequest(answer=request.answer, prompt=request.prompt, options=encoded, timeout_ms=timeout_ms)
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"a text has a lone surrogate at character {error.start}") from None
    except (ValueError, TypeError) as error:
        raise InvalidRequestError(f"an option is out of range or of the wrong type ({error})") from error


def decode_trace_request(request: pb.TraceRequest) -> TraceRequest:
    """Returns the request of a message; absent options have their defaults.

    Raises:
        InvalidRequestError: the span ranking is unknown.
    """
    options = request.options
    # HasField is typed with the names as literals, which a loop cannot give.
    has_field: Callable[[str], bool] = options.HasField  # type: ignore[assignment]
    given: dict[str, Any] = {name: getattr(options, name) for name in _PLAIN_OPTIONS if has_field(name)}
    if options.HasField("delimiters"):
        given["delimiters"] = tuple(options.delimiters.texts)
    if options.span_ranking != pb.SPAN_RANKING_UNSPECIFIED:
        if options.span_ranking not in _RANKINGS_BY_NUMBER:
            raise InvalidRequestError(
                f"span ranking {options.span_ranking}, expected one of {sorted(_RANKINGS_BY_NUMBER)}"
            )
        given["span_ranking"] = _RANKINGS_BY_NUMBER[options.span_ranking]
    return TraceRequest(request.answer, request.prompt, TraceOptions(**given))


def encode_trace(trace: Trace) -> pb.TraceResponse:
    """Returns the message of a trace. Its lists are filled in place: a message made apart would be copied into it."""
    response = pb.TraceResponse()
    encoded = response.trace
    encoded.answer = trace.answer
    encoded.num_tokens = trace.num_tokens
    for span in trace.spans:
        _add_span(encoded, span)
    for merged_span in trace.merged_spans:
        _add_merged_span(encoded, merged_span)
    for document in trace.documents:
        _add_document(encoded, document)
    encoded.num_maximal_spans = trace.num_maximal_spans
    encoded.coverage.CopyFrom(encode_coverage(trace.coverage))
    encoded.timings.CopyFrom(pb.Timings(**asdict(trace.timings)))
    encoded.stats.CopyFrom(_encode_stats(trace.stats))
    encoded.index_id = trace.index_id
    return response


def decode_trace(response: pb.TraceResponse) -> Trace:
    """Returns the trace of a message."""
    trace = response.trace
    return Trace(
        answer=trace.answer,
        num_tokens=trace.num_tokens,
        spans=tuple(map(_decode_span, trace.spans)),
        merged_spans=tuple(map(_decode_merged_span, trace.merged_spans)),
        documents=tuple(map(_decode_document, trace.documents)),
        num_maximal_spans=trace.num_maximal_spans,
        coverage=decode_coverage(trace.coverage),
        timings=Timings(**{name: getattr(trace.timings, name) for name in _TIMINGS}),
        stats=_decode_stats(trace.stats),
        index_id=trace.index_id,
    )


def encode_coverage(coverage: Coverage) -> pb.Coverage:
    """Returns the message of a coverage."""
    return pb.Coverage(
        shards_asked=coverage.shards_asked,
        shards_answered=coverage.shards_answered,
        tokens_searched=coverage.tokens_searched,
        complete=coverage.complete,
        failed_shards=_encode_failed(coverage.failed_shards),
    )


def decode_coverage(coverage: pb.Coverage) -> Coverage:
    """Returns the coverage of a message."""
    return Coverage(
        shards_asked=coverage.shards_asked,
        shards_answered=coverage.shards_answered,
        tokens_searched=coverage.tokens_searched,
        complete=coverage.complete,
        failed_shards=_decode_failed(coverage.failed_shards),
    )


def encode_count(count: Count) -> pb.CountResponse:
    """Returns the message of a count."""
    return pb.CountResponse(num_tokens=count.num_tokens, count=count.count, coverage=encode_coverage(count.coverage))


def decode_count(count: pb.CountResponse) -> Count:
    """Returns the count of a message."""
    return Count(num_tokens=count.num_tokens, count=count.count, coverage=decode_coverage(count.coverage))


def encode_document_text(document: DocumentText) -> pb.GetDocumentResponse:
    """Returns the message of a run of a document."""
    return pb.GetDocumentResponse(
        id=str(document.id),
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        metadata_json=_to_json(document.metadata),
    )


def decode_document_text(document: pb.GetDocumentResponse) -> DocumentText:
    """Returns the run of a document in a message."""
    return DocumentText(
        id=parse_document_id(document.id),
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        metadata=json.loads(document.metadata_json),
    )


def encode_index(index: IndexDescription) -> pb.Index:
    """Returns the message of an index description."""
    return pb.Index(
        index_id=index.index_id,
        source=index.source,
        stage=index.stage,
        tokenizer_sha256=index.tokenizer_sha256,
        token_width=index.token_width,
        num_shards=index.num_shards,
        shards=[
            pb.Shard(
                shard=shard.shard,
                index_id=shard.index_id,
                format_version=shard.format_version,
                token_width=shard.token_width,
                tokenizer_sha256=shard.tokenizer_sha256,
                num_tokens=shard.num_tokens,
                num_documents=shard.num_documents,
            )
            for shard in index.shards
        ],
        failed_shards=_encode_failed(index.failed_shards),
        max_answer_chars=index.max_answer_chars,
    )


def decode_index(index: pb.Index) -> IndexDescription:
    """Returns the index description of a message."""
    return IndexDescription(
        index_id=index.index_id,
        source=index.source,
        stage=index.stage,
        tokenizer_sha256=index.tokenizer_sha256,
        token_width=index.token_width,
        num_shards=index.num_shards,
        shards=tuple(
            ShardDescription(
                shard=ShardId(shard.shard),
                index_id=shard.index_id,
                format_version=shard.format_version,
                token_width=shard.token_width,
                tokenizer_sha256=shard.tokenizer_sha256,
                num_tokens=shard.num_tokens,
                num_documents=shard.num_documents,
            )
            for shard in index.shards
        ),
        failed_shards=_decode_failed(index.failed_shards),
        max_answer_chars=index.max_answer_chars,
    )


def _add_span(trace: pb.Trace, span: Span) -> None:
    trace.spans.add(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        count=span.count,
        unigram_logprob_sum=span.unigram_logprob_sum,
        relevance=_RELEVANCES[span.relevance],
        documents=span.documents,
    )


def _decode_span(span: pb.Span) -> Span:
    return Span(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        count=span.count,
        unigram_logprob_sum=span.unigram_logprob_sum,
        relevance=_RELEVANCES_BY_NUMBER[span.relevance],
        documents=tuple(span.documents),
    )


def _add_merged_span(trace: pb.Trace, span: MergedSpan) -> None:
    trace.merged_spans.add(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        relevance=_RELEVANCES[span.relevance],
        spans=span.spans,
        documents=span.documents,
    )


def _decode_merged_span(span: pb.MergedSpan) -> MergedSpan:
    return MergedSpan(
        start=span.start,
        end=span.end,
        start_char=span.start_char,
        end_char=span.end_char,
        text=span.text,
        relevance=_RELEVANCES_BY_NUMBER[span.relevance],
        spans=tuple(span.spans),
        documents=tuple(span.documents),
    )


def _add_document(trace: pb.Trace, document: Document) -> None:
    encoded = trace.documents.add(
        id=str(document.id),
        source=document.source,
        url=document.url,
        metadata_json=_to_json(document.metadata),
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        score=document.score,
        relevance_score=document.relevance_score,
        relevance=_RELEVANCES[document.relevance],
        spans=document.spans,
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


def _decode_document(document: pb.Document) -> Document:
    return Document(
        id=parse_document_id(document.id),
        source=document.source,
        url=document.url,
        metadata=json.loads(document.metadata_json),
        num_tokens=document.num_tokens,
        start=document.start,
        end=document.end,
        text=document.text,
        score=document.score,
        relevance_score=document.relevance_score,
        relevance=_RELEVANCES_BY_NUMBER[document.relevance],
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
    )


def _encode_stats(stats: TraceStats) -> pb.TraceStats:
    return pb.TraceStats(
        suffixes=stats.suffixes,
        reads_per_suffix=stats.reads_per_suffix,
        search_reads=pb.ReadCounts(**asdict(stats.search_reads)),
        retrieval_reads=pb.ReadCounts(**asdict(stats.retrieval_reads)),
    )


def _decode_stats(stats: pb.TraceStats) -> TraceStats:
    return TraceStats(
        suffixes=stats.suffixes,
        reads_per_suffix=stats.reads_per_suffix,
        search_reads=_decode_reads(stats.search_reads),
        retrieval_reads=_decode_reads(stats.retrieval_reads),
    )


def _decode_reads(reads: pb.ReadCounts) -> ReadCounts:
    return ReadCounts(reads.table, reads.fan_out, reads.text, reads.documents, reads.size_bytes)


def _encode_failed(failed: Iterable[FailedShard]) -> list[pb.FailedShard]:
    return [pb.FailedShard(shard=each.shard, reason=each.reason) for each in failed]


def _decode_failed(failed: Iterable[pb.FailedShard]) -> tuple[FailedShard, ...]:
    return tuple(FailedShard(ShardId(each.shard), each.reason) for each in failed)
