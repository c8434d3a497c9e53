"""Step 6: windows of one document become one document, overlapping spans one highlight.

Law: a document appears once; its spans are sorted and from the query.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from coordinator.results import Snippet
from coordinator.values import DocumentId, MaximalSpan, Occurrence


class MergedDocument(NamedTuple):
    """A document and what was found in it.

    ``first`` is the number of its first-seen occurrence, whose window and score stand for the document. ``spans`` are
    indexes of kept spans, ascending.
    """

    id: DocumentId
    first: int
    snippets: tuple[Snippet, ...]
    spans: tuple[int, ...]


@dataclass(slots=True)
class _Found:
    """What has been found of a document so far; snippets by their text."""

    first: int
    snippets: dict[str, Snippet]
    spans: set[int]


def merge_documents(occurrences: Sequence[Occurrence]) -> list[MergedDocument]:
    """Returns the documents of ``occurrences`` in first-seen order. Snippets of equal text are shown once."""
    documents: dict[DocumentId, _Found] = {}
    for number, occurrence in enumerate(occurrences):
        window = occurrence.window
        found = documents.get(window.document)
        if found is None:
            found = documents[window.document] = _Found(number, {}, set())
        start, end = window.snippet_chars
        text = window.text[start:end]
        if text not in found.snippets:
            found.snippets[text] = _snippet(text, occurrence)
        found.spans.add(occurrence.span)
    return [
        MergedDocument(id_, found.first, tuple(found.snippets.values()), tuple(sorted(found.spans)))
        for id_, found in documents.items()
    ]


def merge_spans(spans: Sequence[MaximalSpan]) -> list[tuple[int, ...]]:
    """Returns groups of indexes of spans that overlap, directly or through others, in reading order.

    Spans that only touch stay apart, as in OLMoTrace.
    """
    groups: list[list[int]] = []
    group_end = -1
    order = sorted(range(len(spans)), key=lambda index: (spans[index].start, spans[index].end))
    for index in order:
        if spans[index].start < group_end:
            groups[-1].append(index)
        else:
            groups.append([index])
        group_end = max(group_end, spans[index].end)
    return [tuple(group) for group in groups]


def _snippet(text: str, occurrence: Occurrence) -> Snippet:
    window = occurrence.window
    start = window.snippet_chars[0]
    match_start, match_end = window.match_chars
    return Snippet(
        text=text,
        start_char=match_start - start,
        end_char=match_end - start,
        span=occurrence.span,
        start=window.match_start,
        end=window.match_start + len(window.match_token_ids),
    )
