"""Step 8: spans, highlights and documents as the caller sees them, tied together by index."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from coordinator.results import Document, MergedSpan, Relevance, Span
from coordinator.steps.merge import merge_documents, merge_spans
from coordinator.steps.metadata import parse_metadata, source_of, url_of
from coordinator.steps.rerank import RankedDocument, highest, relevance_level
from coordinator.values import DocumentId, MaximalSpan, Occurrence, Query


@dataclass(frozen=True, slots=True)
class Traced:
    """The three lists of a trace. They refer to one another by index."""

    spans: tuple[Span, ...]
    merged_spans: tuple[MergedSpan, ...]
    documents: tuple[Document, ...]


def assemble(
    query: Query,
    spans: Sequence[MaximalSpan],
    occurrences: Sequence[Occurrence],
    ranked: Sequence[RankedDocument],
    stages: Mapping[str, str],
    redacted: Mapping[DocumentId, int],
) -> Traced:
    """Returns the lists of a trace from its kept spans and its documents in ranked order.

    A span or highlight is as relevant as the most relevant document that holds it. ``stages`` are those of the corpora,
    ``redacted`` the numbers of placeholders in documents that have some.
    """
    return _tie(query, spans, occurrences, ranked, stages, redacted, highest)


def assemble_spans(query: Query, spans: Sequence[MaximalSpan]) -> Traced:
    """Returns the lists of a trace before any document is known: spans and highlights of unknown relevance."""
    return _tie(query, spans, (), (), {}, {}, lambda _: Relevance.UNKNOWN)


def assemble_documents(
    occurrences: Sequence[Occurrence], stages: Mapping[str, str], redacted: Mapping[DocumentId, int]
) -> tuple[Document, ...]:
    """Returns the documents of ``occurrences`` before they are ranked: without score, of unknown relevance."""
    return tuple(
        replace(
            _document(RankedDocument(merged, 0.0, 0.0), occurrences[merged.first], stages, redacted),
            relevance=Relevance.UNKNOWN,
        )
        for merged in merge_documents(occurrences)
    )


def _tie(
    query: Query,
    spans: Sequence[MaximalSpan],
    occurrences: Sequence[Occurrence],
    ranked: Sequence[RankedDocument],
    stages: Mapping[str, str],
    redacted: Mapping[DocumentId, int],
    relevance_of: Callable[[Iterable[float]], Relevance],
) -> Traced:
    documents_of_span: dict[int, list[int]] = defaultdict(list)
    for number, entry in enumerate(ranked):
        for span in entry.document.spans:
            documents_of_span[span].append(number)

    def merged(group: tuple[int, ...]) -> MergedSpan:
        start, end = spans[group[0]].start, max(spans[index].end for index in group)
        documents = sorted({number for index in group for number in documents_of_span[index]})
        start_char, end_char = _chars(query, start, end)
        return MergedSpan(
            start=start,
            end=end,
            start_char=start_char,
            end_char=end_char,
            text=query.text[start_char:end_char],
            relevance=relevance_of(ranked[number].relevance for number in documents),
            spans=group,
            documents=tuple(documents),
        )

    def kept(index: int, span: MaximalSpan) -> Span:
        documents = tuple(documents_of_span[index])
        start_char, end_char = _chars(query, span.start, span.end)
        return Span(
            start=span.start,
            end=span.end,
            start_char=start_char,
            end_char=end_char,
            text=query.text[start_char:end_char],
            count=span.count,
            unigram_logprob_sum=span.unigram_logprob_sum,
            relevance=relevance_of(ranked[number].relevance for number in documents),
            documents=documents,
            withheld_count=span.withheld_count,
        )

    return Traced(
        spans=tuple(kept(index, span) for index, span in enumerate(spans)),
        merged_spans=tuple(merged(group) for group in merge_spans(spans)),
        documents=tuple(_document(entry, occurrences[entry.document.first], stages, redacted) for entry in ranked),
    )


def _document(
    ranked: RankedDocument, first: Occurrence, stages: Mapping[str, str], redacted: Mapping[DocumentId, int]
) -> Document:
    window = first.window
    metadata = parse_metadata(window.metadata)
    return Document(
        id=window.document,
        corpus=window.document.corpus,
        stage=stages[window.document.corpus],
        source=source_of(metadata),
        url=url_of(metadata),
        metadata=metadata,
        num_tokens=window.document_tokens,
        start=window.start,
        end=window.end,
        text=window.text,
        score=ranked.score,
        relevance_score=ranked.relevance,
        relevance=relevance_level(ranked.relevance),
        snippets=ranked.document.snippets,
        spans=ranked.document.spans,
        num_redacted=redacted.get(window.document, 0),
    )


def _chars(query: Query, start: int, end: int) -> tuple[int, int]:
    return int(query.boundaries[start]), int(query.boundaries[end])
