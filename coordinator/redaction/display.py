"""What may be shown of documents: windows and metadata with placeholders, and which documents are left out.

Ranking and spans are made from the texts as they are; only what is shown goes through here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from coordinator.redaction.found import Found, Passage, Redactor, merged
from coordinator.redaction.patterns import PatternRedactor
from coordinator.redaction.placeholders import RedactedText
from coordinator.redaction.rules import RedactionRules, Treatment
from coordinator.steps.metadata import parse_metadata, source_of
from coordinator.steps.retrieve import Drawn, gathered
from coordinator.values import DocumentId, Occurrence, Retrieved, Window

# What is looked at on each side of a snippet: more than an address or a number has.
_MARGIN_CHARS = 160


@dataclass(frozen=True, slots=True)
class Shown:
    """Occurrences as they may be shown, as many as there were and in their order.

    Attributes:
        occurrences: Those to be shown, and those of withheld documents, which must not be.
        redacted: Placeholders in each document that has some.
        withheld: Documents to be left out.
    """

    occurrences: tuple[Occurrence, ...] = ()
    redacted: Mapping[DocumentId, int] = field(default_factory=dict)
    withheld: frozenset[DocumentId] = frozenset()

    @property
    def allowed(self) -> tuple[Occurrence, ...]:
        """The occurrences of documents that are not withheld."""
        if not self.withheld:
            return self.occurrences
        return tuple(one for one in self.occurrences if one.window.document not in self.withheld)

    @property
    def readable(self) -> tuple[Occurrence, ...]:
        """The occurrences in their order, those of withheld documents without their text."""
        if not self.withheld:
            return self.occurrences
        return tuple(
            one if one.window.document not in self.withheld else one._replace(window=one.window._replace(text=""))
            for one in self.occurrences
        )


def gathered_shown(asked: Sequence[Sequence[Drawn]], parts: Sequence[Shown]) -> Shown:
    """Returns what may be shown of all shards, in the order in which `retrieve.gathered` puts the occurrences."""
    retrieved = [(drawn, Retrieved(part.occurrences)) for drawn, part in zip(asked, parts, strict=True)]
    return Shown(
        gathered(retrieved).occurrences,
        {document: number for part in parts for document, number in part.redacted.items()},
        frozenset(document for part in parts for document in part.withheld),
    )


class _Look(NamedTuple):
    """Characters ``[start, end)`` of the window of occurrence ``place``; of a document's first window, all of them."""

    place: int
    start: int
    end: int
    is_first: bool
    treatment: Treatment


class Display:
    """Decides what is shown of documents. Holds no state between calls; safe to use from several threads.

    Attributes:
        rules: How documents are treated.
        refuses_personal_queries: Whether texts that tell of personal data by occurring are not searched for.
    """

    def __init__(
        self,
        rules: RedactionRules | None = None,
        redactors: Sequence[Redactor] | None = None,
        *,
        refuses_personal_queries: bool = False,
    ):
        """Without arguments, what the built-in patterns find is redacted in all documents."""
        self.rules = rules or RedactionRules()
        self.refuses_personal_queries = refuses_personal_queries
        self._redactors = (PatternRedactor(),) if redactors is None else tuple(redactors)

    def shown(self, occurrences: Sequence[Occurrence]) -> Shown:
        """Returns occurrences as they may be shown: all those of a document together, in the order of the trace.

        Of a document's first window everything is shown, of its others the snippets: only that is looked at. The text
        of another window in which something is replaced is what stands near its snippet.

        Cost: about 2 ns a character that is shown, and 2 µs a window; more for each thing found.
        """
        if self.rules.is_off:
            return Shown(tuple(occurrences))
        looks = self._looks(occurrences)
        firsts = [look for look in looks if look.is_first]
        found = self.find(
            [
                *(_passage(occurrences[look.place].window, look) for look in looks),
                *(Passage(_readable(occurrences[look.place].window.metadata)) for look in firsts),
            ]
        )
        result = list(occurrences)
        redacted: dict[DocumentId, int] = {}
        withheld = set()
        counted = set()
        for look, of_text in zip(looks, found, strict=False):
            if not of_text:
                continue
            window = result[look.place].window
            start, end = (look.start, look.end) if look.is_first else window.snippet_chars
            shown = sum(one.start < end - look.start and one.end > start - look.start for one in of_text)
            if not shown:
                continue
            if look.treatment is Treatment.WITHHOLD:
                withheld.add(window.document)
                continue
            result[look.place] = result[look.place]._replace(window=_redacted(window, look, of_text))
            # Equal snippets are shown once.
            if (seen := (window.document, window.text[start:end])) not in counted:
                counted.add(seen)
                redacted[window.document] = redacted.get(window.document, 0) + shown
        for look, of_line in zip(firsts, found[len(looks) :], strict=True):
            if not of_line:
                continue
            window = result[look.place].window
            metadata, number = self.metadata(parse_metadata(window.metadata))
            if not number:
                continue
            if look.treatment is Treatment.WITHHOLD:
                withheld.add(window.document)
                continue
            line = json.dumps(metadata, ensure_ascii=False)
            result[look.place] = result[look.place]._replace(window=window._replace(metadata=line))
            redacted[window.document] = redacted.get(window.document, 0) + number
        return Shown(
            tuple(result),
            {document: number for document, number in redacted.items() if document not in withheld},
            frozenset(withheld),
        )

    def find(self, passages: Sequence[Passage]) -> list[list[Found]]:
        """Returns what the redactors find in each passage, by start and disjoint."""
        if len(self._redactors) == 1:
            return [merged(found) if found else [] for found in self._redactors[0].find(passages)]
        of_each = [redactor.find(passages) for redactor in self._redactors]
        return [merged(one for found in of_passage for one in found) for of_passage in zip(*of_each, strict=True)]

    def metadata(self, metadata: Mapping[str, Any]) -> tuple[Mapping[str, Any], int]:
        """Returns a document's metadata with placeholders in names and texts, and how many. Numbers stay."""
        texts: list[str] = []
        _collect(metadata, texts)
        found = self.find([Passage(text) for text in texts])
        number = sum(map(len, found))
        if not number:
            return metadata, 0
        replaced = {text: RedactedText(text, of_text).text for text, of_text in zip(texts, found, strict=True)}
        return _replaced(metadata, replaced), number

    def _looks(self, occurrences: Sequence[Occurrence]) -> list[_Look]:
        looks = []
        treatments: dict[DocumentId, Treatment] = {}
        for place, (_, window) in enumerate(occurrences):
            treatment = treatments.get(window.document)
            is_first = treatment is None
            if treatment is None:
                source = source_of(parse_metadata(window.metadata)) if self.rules.by_source else ""
                treatment = treatments[window.document] = self.rules.of(window.document.corpus, source)
            if treatment is Treatment.OFF:
                continue
            start, end = 0, len(window.text)
            if not is_first:
                start = max(start, window.snippet_chars[0] - _MARGIN_CHARS)
                end = min(end, window.snippet_chars[1] + _MARGIN_CHARS)
            looks.append(_Look(place, start, end, is_first, treatment))
        return looks


def _readable(metadata: str) -> str:
    """Returns a document's metadata so that nothing in it is escaped."""
    if "\\" not in metadata:
        return metadata
    texts: list[str] = []
    _collect(parse_metadata(metadata), texts)
    return "\n".join(texts)


def _passage(window: Window, look: _Look) -> Passage:
    return Passage(
        window.text[look.start : look.end],
        cut_start=look.start > 0 or window.start > 0,
        cut_end=look.end < len(window.text) or window.end < window.document_tokens,
    )


def _redacted(window: Window, look: _Look, found: Sequence[Found]) -> Window:
    """Returns a window whose text is what was looked at, with placeholders."""
    text = RedactedText(window.text[look.start : look.end], found)
    (match_start, match_end), (snippet_start, snippet_end) = window.match_chars, window.snippet_chars
    return window._replace(
        text=text.text,
        match_chars=text.moved(match_start - look.start, match_end - look.start),
        snippet_chars=text.moved(snippet_start - look.start, snippet_end - look.start),
    )


def _collect(value: Any, texts: list[str]) -> None:
    """Adds every text in a JSON value, names of fields included."""
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, Mapping):
        for name, one in value.items():
            texts.append(name)
            _collect(one, texts)
    elif isinstance(value, list):
        for one in value:
            _collect(one, texts)


def _replaced(value: Any, texts: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return texts[value]
    if isinstance(value, Mapping):
        return {texts[name]: _replaced(one, texts) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, texts) for one in value]
    return value
