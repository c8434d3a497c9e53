"""The requests of protos/coordinator/v1 from and to those of the pipeline."""

from collections.abc import Callable
from typing import Any, TypeVar

from coordinator.errors import InvalidRequestError
from coordinator.requests import CountRequest, SpanRanking, TraceOptions, TraceRequest
from protos.coordinator.v1 import coordinator_pb2 as pb

_RequestT = TypeVar("_RequestT", pb.TraceRequest, pb.TraceStreamRequest)

_RANKINGS = {each: pb.SpanRanking.Value(f"SPAN_RANKING_{each.name}") for each in SpanRanking}
_RANKINGS_BY_NUMBER = {number: each for each, number in _RANKINGS.items()}

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


def encode_trace_request(request: TraceRequest, timeout_ms: int, kind: type[_RequestT]) -> _RequestT:
    """Returns the message, of either kind, of a request, every option written out.

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
        return kind(
            answer=request.answer,
            prompt=request.prompt,
            options=encoded,
            timeout_ms=timeout_ms,
            corpora=request.corpora,
            require_complete=request.require_complete,
        )
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"a text has a lone surrogate at character {error.start}") from None
    except (ValueError, TypeError) as error:
        raise InvalidRequestError(f"an option is out of range or of the wrong type ({error})") from error


def decode_trace_request(request: pb.TraceRequest | pb.TraceStreamRequest) -> TraceRequest:
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
                f"span ranking {options.span_ranking}, expected one of {sorted(_RANKINGS_BY_NUMBER)}",
                field="options.span_ranking",
            )
        given["span_ranking"] = _RANKINGS_BY_NUMBER[options.span_ranking]
    return TraceRequest(
        request.answer, request.prompt, TraceOptions(**given), tuple(request.corpora), request.require_complete
    )


def encode_count_request(request: CountRequest, timeout_ms: int) -> pb.CountRequest:
    """Returns the message of a request.

    Raises:
        InvalidRequestError: the text does not fit its field.
    """
    try:
        return pb.CountRequest(
            text=request.text,
            timeout_ms=timeout_ms,
            corpora=request.corpora,
            require_complete=request.require_complete,
        )
    except UnicodeEncodeError as error:
        raise InvalidRequestError(f"text has a lone surrogate at character {error.start}") from None


def decode_count_request(request: pb.CountRequest) -> CountRequest:
    """Returns the request of a message."""
    return CountRequest(request.text, tuple(request.corpora), request.require_complete)
