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


def test_an_answer_over_the_limit_is_refused_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    response = codec.encode_trace(replace(TRACE, documents=documents(6, 200)))
    monkeypatch.setattr(message_size, "MAX_MESSAGE_BYTES", response.ByteSize())
    message_size.check_answer_size(response)
    monkeypatch.setattr(message_size, "MAX_MESSAGE_BYTES", response.ByteSize() - 1)
    with pytest.raises(RequestTooLargeError, match=r"max_occurrences_per_span.*max_tokens"):
        message_size.check_answer_size(response)


@pytest.mark.parametrize("event", [*EVENTS, SPANS_FOUND, RANKING])
def test_an_event_of_usual_size_stays_whole(event: object) -> None:
    assert list(message_size.in_parts(event)) == [event]  # type: ignore[arg-type]


def test_very_many_documents_come_in_parts_none_lost_none_twice() -> None:
    event = DocumentsFound(documents(10, 1024 * 1024))
    parts = list(message_size.in_parts(event))
    assert [len(part.documents) for part in parts] == [4, 4, 2]  # type: ignore[union-attr]
    assert [document for part in parts for document in part.documents] == list(event.documents)  # type: ignore[union-attr]
