"""How much text of documents each holder of keys is shown: bytes an hour and a day, and tokens of one document a day.

What does not fit is not shown, so no budget is ever overdrawn, however many requests run at once. All is in memory: a
process that starts anew has counted nothing yet.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Protocol

from coordinator.access.keyring import KeyHolder
from coordinator.access.settings import AccessSettings
from coordinator.access.shown_ranges import ShownRanges
from coordinator.access.sliding_sum import SlidingSum
from coordinator.errors import BudgetSpentError

_HOUR_S = 3_600.0
_DAY_S = 86_400.0
# About 50 MB. Whoever is shown so many others in a day, too, begins anew with the first.
_MAX_DOCUMENTS = 100_000


class ShownSnippet(Protocol):
    """What is looked at of a snippet, of a value or a message."""

    @property
    def text(self) -> str:
        """What is shown."""

    @property
    def start(self) -> int:
        """First token of the occurrence in the document."""

    @property
    def end(self) -> int:
        """The token after it."""


class ShownDocument(Protocol):
    """What is looked at of a document of a trace, of a value or a message."""

    @property
    def id(self) -> object:
        """Names it."""

    @property
    def num_tokens(self) -> int:
        """Tokens in it."""

    @property
    def start(self) -> int:
        """First token of the text."""

    @property
    def end(self) -> int:
        """The token after it."""

    @property
    def text(self) -> str:
        """What is shown."""

    @property
    def snippets(self) -> "Iterable[ShownSnippet]":
        """What else is shown."""


@dataclass(slots=True)
class _Account:
    """What a holder has been shown."""

    hour: SlidingSum = field(default_factory=lambda: SlidingSum(_HOUR_S))
    day: SlidingSum = field(default_factory=lambda: SlidingSum(_DAY_S))


class TextBudgets:
    """The budgets of all holders. Each replica has its share of them. Belongs to one event loop."""

    def __init__(
        self,
        settings: AccessSettings,
        num_replicas: int,
        *,
        clock: Callable[[], float] = monotonic,
        max_documents: int = _MAX_DOCUMENTS,
    ):
        self._settings = settings
        self._num_replicas = num_replicas
        self._clock = clock
        self._max_documents = max_documents
        self._accounts: dict[str, _Account] = {}
        # By last use.
        self._documents: OrderedDict[tuple[str, str], ShownRanges] = OrderedDict()

    def check(self, holder: KeyHolder) -> None:
        """Returns if the holder may be shown any more text now.

        Raises:
            BudgetSpentError: it may not; says when.
        """
        now = self._clock()
        for used, budget, what in self._sums(holder):
            if used.total(now) >= budget:
                self._refuse(f"bytes of documents' text in {what}", used.room_in_s(now))

    def reach(self, holder: KeyHolder, document: object, start: int, most: int) -> int:
        """Returns how many tokens of a document may be shown from ``start`` on, at most ``most``.

        Raises:
            BudgetSpentError: none; says when.
        """
        budget = self._of_a_document(holder)
        shown = self._documents.get((holder.id, str(document)))
        if not budget or shown is None:
            return min(most, budget) if budget else most
        now = self._clock()
        found = shown.reach(start, most, max(budget - shown.num_tokens(now), 0), now)
        if not found and most:
            self._refuse("tokens of this document in a day", shown.room_in_s(now))
        return found

    def take(self, holder: KeyHolder, document: object, ranges: Sequence[tuple[int, int]], size_bytes: int) -> bool:
        """Returns whether a holder may be shown ``ranges`` of a document, which are so many bytes, and counts them."""
        sums, now = self._sums(holder), self._clock()
        if size_bytes > _room(sums, now):
            return False
        if not self._take_ranges(holder.id, str(document), ranges, self._of_a_document(holder), now):
            return False
        for used, _, _ in sums:
            used.add(size_bytes, now)
        return True

    def left_out(self, holder: KeyHolder, documents: Iterable[ShownDocument], snippet_tokens: int) -> frozenset[int]:
        """Returns the indexes of the documents of a trace that a holder may not be shown, and counts the others.

        ``snippet_tokens`` is how much a snippet shows on each side of an occurrence.
        Cost: 4 us a document.
        """
        sums, of_a_document = self._sums(holder), self._of_a_document(holder)
        if not sums and not of_a_document:
            return frozenset()
        now = self._clock()
        room = _room(sums, now)
        taken, found = 0, []
        for number, document in enumerate(documents):
            size_bytes = num_bytes(document.text)
            first, last = document.start, document.end
            ranges = [(first, last)]
            for snippet in document.snippets:
                size_bytes += num_bytes(snippet.text)
                # A snippet ends with its document.
                start = max(snippet.start - snippet_tokens, 0)
                end = min(snippet.end + snippet_tokens, document.num_tokens)
                if start < first or end > last:
                    ranges.append((start, end))
            if taken + size_bytes <= room and self._take_ranges(
                holder.id, str(document.id), ranges, of_a_document, now
            ):
                taken += size_bytes
            else:
                found.append(number)
        if taken:
            for used, _, _ in sums:
                used.add(taken, now)
        return frozenset(found)

    def _take_ranges(
        self, holder: str, document: str, ranges: Sequence[tuple[int, int]], of_a_document: int, now: float
    ) -> bool:
        return not of_a_document or self._shown(holder, document).take(ranges, of_a_document, now)

    def _sums(self, holder: KeyHolder) -> list[tuple[SlidingSum, float, str]]:
        """Returns the bytes that a holder was shown, with the budget, for each time that has one."""
        hour, day = holder.limits.document_bytes_per_hour, holder.limits.document_bytes_per_day
        hour = self._settings.document_bytes_per_hour if hour is None else hour
        day = self._settings.document_bytes_per_day if day is None else day
        if not hour and not day:
            return []
        # There are as many as ids in the key file, in all its versions.
        account = self._accounts.setdefault(holder.id, _Account())
        sums = [
            (account.hour, hour / self._num_replicas, "an hour"),
            (account.day, day / self._num_replicas, "a day"),
        ]
        return [each for each in sums if each[1]]

    def _of_a_document(self, holder: KeyHolder) -> int:
        own = holder.limits.tokens_of_a_document_per_day
        budget = self._settings.tokens_of_a_document_per_day if own is None else own
        return max(budget // self._num_replicas, 1) if budget else 0

    def _shown(self, holder: str, document: str) -> ShownRanges:
        key = (holder, document)
        shown = self._documents.get(key)
        if shown is None:
            if len(self._documents) >= self._max_documents:
                self._documents.popitem(last=False)
            shown = self._documents[key] = ShownRanges(_DAY_S)
        self._documents.move_to_end(key)
        return shown

    def _refuse(self, what: str, retry_s: float) -> None:
        raise BudgetSpentError(
            f"this key has been shown as many {what} as it may; come back in {retry_s:.0f} s", max(retry_s, 1.0)
        )


def _room(sums: Iterable[tuple[SlidingSum, float, str]], now: float) -> float:
    """Returns how many bytes may still be shown."""
    return min((budget - used.total(now) for used, budget, _ in sums), default=inf)


def num_bytes(text: str) -> int:
    """Returns the size of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
