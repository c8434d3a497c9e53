"""Large answers are encoded off the event loop."""

import asyncio
import threading
from dataclasses import replace

import pytest

from coordinator.api.large_answers import num_chars, off_loop_if_large
from tests.unit.coordinator.api.samples import DOCUMENTS_FOUND, SPANS_FOUND


@pytest.mark.parametrize(("size", "in_a_thread"), [(499_999, False), (500_000, True)])
def test_what_is_large_is_worked_on_in_a_thread(size: int, in_a_thread: bool) -> None:
    def work(value: int) -> tuple[int, bool]:
        return value, threading.current_thread() is not threading.main_thread()

    assert asyncio.run(off_loop_if_large(work, 7, size)) == (7, in_a_thread)


def test_an_answer_is_as_large_as_the_text_of_its_documents() -> None:
    document = DOCUMENTS_FOUND.documents[0]
    event = replace(DOCUMENTS_FOUND, documents=(replace(document, text="a" * 10), replace(document, text="b" * 5)))
    assert num_chars(event) == 15
    assert num_chars(SPANS_FOUND) == 0
