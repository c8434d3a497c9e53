"""Answers within the size of a message: a trace is refused with advice, a stream's documents are sent in parts."""

from collections.abc import Iterator
from dataclasses import replace

from coordinator.errors import RequestTooLargeError
from coordinator.results import Document, DocumentsFound, TraceEvent
from protos.coordinator.v1 import coordinator_pb2 as pb

# What clients are told to accept, and Serve lets through.
MAX_MESSAGE_BYTES = 64 * 1024 * 1024

# Fewer texts than these are never near the limit, and measuring costs a second encoding.
_WORTH_MEASURING = 500

# Of text, in characters: a character is up to four bytes.
_CHARS_A_PART = 4 * 1024 * 1024


def check_answer(response: pb.TraceResponse) -> None:
    """Checks that a trace is not too large for a message.

    Raises:
        RequestTooLargeError: it is; says what to ask for less of.
    """
    num_texts = sum(1 + len(document.snippets) for document in response.trace.documents)
    if num_texts < _WORTH_MEASURING:
        return
    found = response.ByteSize()
    if found > MAX_MESSAGE_BYTES:
        raise RequestTooLargeError(
            f"the trace has {found} bytes, a message holds {MAX_MESSAGE_BYTES}; ask for fewer occurrences "
            "(max_occurrences_per_span) or less text round them (context_tokens), or use TraceStream"
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
