"""What of an answer its caller is shown: all of it, where no key is needed or its key has no budget."""

from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from coordinator.access.settings import AccessSettings
from coordinator.access.shown_traces import shown_events
from coordinator.access.text_budgets import ShownDocument, TextBudgets, num_bytes
from coordinator.api.caller import Caller
from coordinator.errors import BudgetSpentError
from coordinator.requests import TraceOptions
from coordinator.results import DocumentText, TraceEvent
from coordinator.values import DocumentId

# When some of what was taken is likely to be forgotten again.
_RETRY_AFTER_S = 3_600.0


class BudgetObserver(Protocol):
    """Is told what budgets do."""

    def refused(self, reason: str) -> None:
        """A request was refused; the reason is ``budget``."""

    def withheld_for_budget(self, num_documents: int) -> None:
        """A trace left out so many documents."""


class ShownText:
    """Counts the text that callers are shown, and leaves out what they may not be shown. One event loop."""

    def __init__(self, settings: AccessSettings, num_replicas: int, observer: BudgetObserver):
        self._budgets = TextBudgets(settings, num_replicas)
        self._observer = observer

    def check(self, caller: Caller) -> None:
        """Returns if the caller may be shown any more text now.

        Raises:
            BudgetSpentError: it may not.
        """
        if caller.holder is not None:
            with self._refusals():
                self._budgets.check(caller.holder)

    def left_out(self, documents: Iterable[ShownDocument], caller: Caller, options: TraceOptions) -> frozenset[int]:
        """Returns the indexes of the documents that the caller may not be shown, and counts the others."""
        holder = caller.holder
        if holder is None:
            return frozenset()
        found = self._budgets.left_out(holder, documents, options.snippet_tokens)
        if found:
            self._observer.withheld_for_budget(len(found))
        return found

    def events(
        self, events: AsyncGenerator[TraceEvent, None], caller: Caller, options: TraceOptions
    ) -> AsyncGenerator[TraceEvent, None]:
        """Returns the events of a trace, without the documents that the caller may not be shown."""
        holder = caller.holder
        if holder is None:
            return events
        return shown_events(
            events,
            lambda documents: self._budgets.left_out(holder, documents, options.snippet_tokens),
            self._observer.withheld_for_budget,
        )

    def reach(self, caller: Caller, document: DocumentId, start: int, most: int) -> int:
        """Returns how many tokens of a document the caller may be shown from ``start`` on, at most ``most``.

        Raises:
            BudgetSpentError: none.
        """
        if caller.holder is None:
            return most
        with self._refusals():
            return self._budgets.reach(caller.holder, document, start, most)

    def take_document_text(self, caller: Caller, found: DocumentText) -> None:
        """Counts a run of a document.

        Raises:
            BudgetSpentError: it may not be shown: it is too long, or others were shown meanwhile.
        """
        if caller.holder is None:
            return
        size_bytes = num_bytes(found.text)
        if self._budgets.take(caller.holder, found.id, [(found.start, found.end)], size_bytes):
            return
        with self._refusals():
            raise BudgetSpentError(
                f"these {size_bytes} bytes are more than this key may still be shown; ask for fewer tokens, "
                f"or come back in {_RETRY_AFTER_S:.0f} s",
                _RETRY_AFTER_S,
            )

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except BudgetSpentError:
            self._observer.refused("budget")
            raise
