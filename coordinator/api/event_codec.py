"""The events of a streamed trace from and to the messages of protos/coordinator/v1."""

from coordinator.api import codec
from coordinator.api.json_codec import parse_document_id
from coordinator.errors import InvalidRequestError
from coordinator.results import DocumentRank, DocumentsFound, Ranking, SpansFound, TraceEvent
from protos.coordinator.v1 import coordinator_pb2 as pb


def encode_event(event: TraceEvent) -> pb.TraceStreamResponse:
    """Returns the message of an event."""
    response = pb.TraceStreamResponse()
    if isinstance(event, SpansFound):
        _encode_spans(event, response.spans)
    elif isinstance(event, DocumentsFound):
        for document in event.documents:
            codec.add_document(response.documents, document)
    else:
        _encode_ranking(event, response.ranking)
    return response


def decode_event(response: pb.TraceStreamResponse) -> TraceEvent:
    """Returns the event of a message.

    Raises:
        InvalidRequestError: it holds none that this build knows.
    """
    kind = response.WhichOneof("event")
    if kind == "spans":
        return _decode_spans(response.spans)
    if kind == "documents":
        return DocumentsFound(tuple(map(codec.decode_document, response.documents.documents)))
    if kind == "ranking":
        return _decode_ranking(response.ranking)
    raise InvalidRequestError("the coordinator sent an event that this client does not know; is it of a newer version?")


def _encode_spans(event: SpansFound, message: pb.TraceSpans) -> None:
    message.num_tokens = event.num_tokens
    for span in event.spans:
        codec.add_span(message, span)
    for merged_span in event.merged_spans:
        codec.add_merged_span(message, merged_span)
    message.num_maximal_spans = event.num_maximal_spans
    message.coverage.CopyFrom(codec.encode_coverage(event.coverage))


def _decode_spans(message: pb.TraceSpans) -> SpansFound:
    return SpansFound(
        num_tokens=message.num_tokens,
        spans=tuple(map(codec.decode_span, message.spans)),
        merged_spans=tuple(map(codec.decode_merged_span, message.merged_spans)),
        num_maximal_spans=message.num_maximal_spans,
        coverage=codec.decode_coverage(message.coverage),
    )


def _encode_ranking(event: Ranking, message: pb.TraceRanking) -> None:
    for rank in event.documents:
        message.documents.add(
            id=str(rank.id),
            score=rank.score,
            relevance_score=rank.relevance_score,
            relevance=codec.RELEVANCES[rank.relevance],
        )
    message.span_relevances.extend(codec.RELEVANCES[each] for each in event.span_relevances)
    message.merged_span_relevances.extend(codec.RELEVANCES[each] for each in event.merged_span_relevances)
    message.coverage.CopyFrom(codec.encode_coverage(event.coverage))
    message.timings.CopyFrom(codec.encode_timings(event.timings))
    message.stats.CopyFrom(codec.encode_stats(event.stats))
    message.cached = event.cached
    codec.encode_withheld(event.withheld, message.withheld)


def _decode_ranking(message: pb.TraceRanking) -> Ranking:
    return Ranking(
        documents=tuple(
            DocumentRank(
                parse_document_id(rank.id),
                rank.score,
                rank.relevance_score,
                codec.RELEVANCES_BY_NUMBER[rank.relevance],
            )
            for rank in message.documents
        ),
        span_relevances=tuple(codec.RELEVANCES_BY_NUMBER[each] for each in message.span_relevances),
        merged_span_relevances=tuple(codec.RELEVANCES_BY_NUMBER[each] for each in message.merged_span_relevances),
        coverage=codec.decode_coverage(message.coverage),
        timings=codec.decode_timings(message.timings),
        stats=codec.decode_stats(message.stats),
        cached=message.cached,
        withheld=codec.decode_withheld(message.withheld),
    )
