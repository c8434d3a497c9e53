"""Answers within the size of a message."""

from dataclasses import replace

import pytest

from coordinator.api import codec, message_size
from coordinator.errors import RequestTooLargeError
from coordinator.results import DocumentsFound
from coordinator.values import DocumentId
from tests.unit.coordinator.api.samples import DOCUMENT, EVENTS, RANKING, SPANS_FOUND, TRACE


def documents(number: int, chars: int) -> tuple:
    return tuple(
        replace(DOCUMENT, id=DocumentId("pre", 0, each), text="x" * chars, snippets=()) for each in range(number)
    )


def test_a_trace_over_the_limit_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(message_size, "MAX_MESSAGE_BYTES", 100_000)
    small = codec.encode_trace(replace(TRACE, documents=documents(600, 1)))
    message_size.check_answer(small)
    large = codec.encode_trace(replace(TRACE, documents=documents(600, 200)))
    with pytest.raises(RequestTooLargeError, match=r"max_occurrences_per_span.*TraceStream"):
        message_size.check_answer(large)


@pytest.mark.parametrize("event", [*EVENTS, SPANS_FOUND, RANKING])
def test_an_event_of_usual_size_stays_whole(event: object) -> None:
    assert list(message_size.in_parts(event)) == [event]  # type: ignore[arg-type]


def test_very_many_documents_come_in_parts_none_lost_none_twice() -> None:
    event = DocumentsFound(documents(10, 1024 * 1024))
    parts = list(message_size.in_parts(event))
    assert [len(part.documents) for part in parts] == [4, 4, 2]  # type: ignore[union-attr]
    assert [document for part in parts for document in part.documents] == list(event.documents)  # type: ignore[union-attr]
