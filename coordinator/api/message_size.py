"""Answers within the size of a message: refused with advice, or, in a stream, sent in parts."""

from collections.abc import Iterator
from dataclasses import replace

from google.protobuf.message import Message

from coordinator.errors import RequestTooLargeError
from coordinator.results import Document, DocumentsFound, TraceEvent

# What clients are told to accept, and Serve lets through.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

# Of text, in characters: a character is up to four bytes.
_CHARS_A_PART = 4 * 1024 * 1024


def check_answer_size(response: Message) -> None:
    """Checks that an answer fits a message of gRPC, which would drop it and say nothing that helps.

    Raises:
        RequestTooLargeError: it does not; says what to ask for less of.
    Cost: 0.04 ms for a trace of 0.3 MB.
    """
    _check_size(response.ByteSize())


def check_content_size(content: bytes) -> None:
    """Checks the same of an answer over HTTP.

    Raises:
        RequestTooLargeError: it does not fit.
    """
    _check_size(len(content))


def _check_size(found: int) -> None:
    if found > MAX_MESSAGE_BYTES:
        raise RequestTooLargeError(
            f"the answer has {found} bytes, a message holds {MAX_MESSAGE_BYTES}; ask for less text: "
            "max_occurrences_per_span, context_tokens and snippet_tokens of a trace, max_tokens of a document"
        )


def in_parts(event: TraceEvent) -> Iterator[TraceEvent]:
    """Yields the event, or, if it holds very many documents, several events that hold some of them each."""
    if not isinstance(event, DocumentsFound):
        yield event
        return
    part: list[Document] = []
    chars = 0
    for document in event.documents:
        part.append(document)
        chars += len(document.text) + sum(len(snippet.text) for snippet in document.snippets)
        if chars >= _CHARS_A_PART:
            yield replace(event, documents=tuple(part))
            part, chars = [], 0
    if part:
        yield replace(event, documents=tuple(part))
