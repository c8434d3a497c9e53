"""What a request may ask: the limits, and the check that every trace begins with."""

from dataclasses import dataclass

from coordinator.errors import InvalidRequestError
from coordinator.requests import TraceOptions, TraceRequest

MAX_DELIMITERS = 64
# The longest tokens of large vocabularies have 128 characters.
_MAX_DELIMITER_CHARS = 256
_DELIMITERS = "options.delimiters"


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """Upper bounds on one request. Work and memory grow with each of them.

    Attributes:
        max_answer_chars: Longest answer, in characters. Olmo 3's longest answers are near 40,000.
        max_prompt_chars: Longest prompt, in characters.
        max_context_tokens: Largest ``context_tokens``.
        max_occurrences_per_span: Largest ``max_occurrences_per_span``.
        max_windows: Most windows one trace may read, over all its spans.
        max_window_tokens: Most tokens in these windows together. A token is about four bytes of the answer.
        max_document_tokens: Most tokens of a document in one response.
    """

    max_answer_chars: int = 50_000
    max_prompt_chars: int = 200_000
    max_context_tokens: int = 2_000
    max_occurrences_per_span: int = 100
    max_windows: int = 20_000
    max_window_tokens: int = 4_000_000
    max_document_tokens: int = 100_000


def check_request(request: TraceRequest, limits: RequestLimits) -> None:
    """Checks a request before any work is done for it.

    Raises:
        InvalidRequestError: the answer is empty or too long, the prompt too long, or an option out of range.
    """
    check_text("answer", request.answer, limits)
    if len(request.prompt) > limits.max_prompt_chars:
        raise InvalidRequestError(
            f"prompt has {len(request.prompt)} characters, the limit is {limits.max_prompt_chars}", field="prompt"
        )
    if not _is_encodable(request.prompt):
        raise InvalidRequestError("prompt has a lone surrogate, which is no character", field="prompt")
    _check_options(request.options, limits)


def check_text(what: str, text: str, limits: RequestLimits) -> None:
    """Checks that a text to search is not blank and within the limit."""
    if not text.strip():
        raise InvalidRequestError(f"{what} is empty or only white space, there is nothing to search for", field=what)
    if len(text) > limits.max_answer_chars:
        raise InvalidRequestError(
            f"{what} has {len(text)} characters, the limit is {limits.max_answer_chars}; search it in parts",
            field=what,
        )
    if not _is_encodable(text):
        raise InvalidRequestError(f"{what} has a lone surrogate, which is no character", field=what)


def check_document_range(start: int, max_tokens: int, limits: RequestLimits) -> None:
    """Checks which part of a document is asked for."""
    _check_range("start", start, 0, 2**63 - 1)
    _check_range("max_tokens", max_tokens, 1, limits.max_document_tokens)


def _check_options(options: TraceOptions, limits: RequestLimits) -> None:
    _check_range("options.min_span_tokens", options.min_span_tokens, 1, limits.max_answer_chars)
    _check_range("options.max_count", options.max_count, 1, 2**63 - 1)
    _check_range(
        "options.max_occurrences_per_span", options.max_occurrences_per_span, 1, limits.max_occurrences_per_span
    )
    _check_range("options.context_tokens", options.context_tokens, 0, limits.max_context_tokens)
    _check_range("options.snippet_tokens", options.snippet_tokens, 0, options.context_tokens)
    _check_range("options.seed", options.seed, 0, 2**63 - 1)
    if len(options.delimiters) > MAX_DELIMITERS:
        raise InvalidRequestError(f"{len(options.delimiters)} delimiters, the limit is {MAX_DELIMITERS}", _DELIMITERS)
    for place, delimiter in enumerate(options.delimiters):
        if not 1 <= len(delimiter) <= _MAX_DELIMITER_CHARS:
            raise InvalidRequestError(
                f"delimiters[{place}] has {len(delimiter)} characters, expected 1 to {_MAX_DELIMITER_CHARS}",
                _DELIMITERS,
            )
        if not _is_encodable(delimiter):
            raise InvalidRequestError(f"delimiters[{place}] has a lone surrogate, which is no character", _DELIMITERS)
    if not 0.0 < options.max_span_density <= 1.0:
        raise InvalidRequestError(
            f"max_span_density is {options.max_span_density}, expected more than 0 and at most 1",
            field="options.max_span_density",
        )


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_range(field: str, found: int, low: int, high: int) -> None:
    if not low <= found <= high:
        name = field.rpartition(".")[2]
        raise InvalidRequestError(f"{name} is {found}, expected {low} to {high}", field)
