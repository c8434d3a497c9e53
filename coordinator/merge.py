"""Step 6: windows of one document become one document, overlapping spans one highlight.

Law: a document appears once; its spans are sorted and from the query.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from coordinator.values import DocumentId, MaximalSpan, Occurrence, Snippet


@dataclass(frozen=True, slots=True)
class MergedDocument:
    """A document and what was found in it.

    ``first`` is the number of its first-seen occurrence, whose window and score stand for the document. ``spans`` are
    indexes of kept spans, ascending.
    """

    id: DocumentId
    first: int
    snippets: tuple[Snippet, ...]
    spans: tuple[int, ...]


def merge_documents(occurrences: Sequence[Occurrence]) -> list[MergedDocument]:
    """Returns the documents of ``occurrences`` in first-seen order. Snippets of equal text are shown once."""
    first: dict[DocumentId, int] = {}
    snippets: dict[DocumentId, dict[str, Snippet]] = {}
    spans: dict[DocumentId, set[int]] = {}
    for number, occurrence in enumerate(occurrences):
        document = occurrence.window.document
        if document not in first:
            first[document] = number
            snippets[document] = {}
            spans[document] = set()
        snippet = _snippet(occurrence)
        snippets[document].setdefault(snippet.text, snippet)
        spans[document].add(occurrence.span)
    return [
        MergedDocument(id_, number, tuple(snippets[id_].values()), tuple(sorted(spans[id_])))
        for id_, number in first.items()
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


def _snippet(occurrence: Occurrence) -> Snippet:
    window = occurrence.window
    start, end = window.snippet_chars
    match_start, match_end = window.match_chars
    return Snippet(
        text=window.text[start:end],
        start_char=match_start - start,
        end_char=match_end - start,
        span=occurrence.span,
        start=window.match_start,
        end=window.match_start + len(window.match_token_ids),
    )
