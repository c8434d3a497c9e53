"""What a reader calls the spans and documents of a trace; the same words in the terminal and on the page."""

import string
from collections.abc import Mapping
from typing import Any

from coordinator.read_counts import TraceStats
from coordinator.results import Document, MergedSpan, Snippet, Span, Trace

_TITLE_FIELDS = ("title", "display_name", "name")
# Stands for a passage of white space alone, which could not be seen.
BLANK = "␣"
_PATH_FIELDS = ("path", "file", "filename")


def span_labels(trace: Trace) -> tuple[str, ...]:
    """Returns a label for each kept span: the number of its highlight, with a letter if that joins several."""
    labels = [""] * len(trace.spans)
    for number, merged in enumerate(trace.merged_spans, start=1):
        for place, span in enumerate(merged.spans):
            labels[span] = f"{number}{_letters(place)}" if len(merged.spans) > 1 else str(number)
    return tuple(labels)


def distinct_snippets(document: Document) -> tuple[list[Snippet], list[Snippet]]:
    """Returns the snippets that show each passage of a document once, and the others.

    The snippets of neighbouring passages show nearly the same text: one whose passage can be read in an earlier
    one is among the others.
    """
    distinct: list[Snippet] = []
    others: list[Snippet] = []
    for snippet in document.snippets:
        passage = snippet.text[snippet.start_char : snippet.end_char]
        repeated = any(passage in earlier.text for earlier in distinct)
        (others if repeated else distinct).append(snippet)
    return distinct, others


def document_title(document: Document) -> str:
    """Returns the best name that a document's metadata has for it, else where it was read, else its id."""
    for fields in _layers(document.metadata):
        for name in _TITLE_FIELDS:
            if isinstance(value := fields.get(name), str) and value.strip():
                return value
    return document_path(document) or document.url or f"document {document.id}"


def document_path(document: Document) -> str:
    """Returns the file that a document was read from, with its line if known; empty if the index does not say."""
    for fields in _layers(document.metadata):
        for name in _PATH_FIELDS:
            if isinstance(value := fields.get(name), str) and value.strip():
                line = fields.get("linenum")
                return f"{value}:{line + 1}" if type(line) is int else value
    return ""


def trimmed(passage: str) -> tuple[str, str, str]:
    """Returns the white space before, the visible text, and the white space after: a highlight is of words.

    Of white space alone the text is `BLANK`, and its line breaks come after.
    """
    inner = passage.strip()
    if not inner:
        return "", BLANK if passage else "", "\n" * passage.count("\n")
    lead = len(passage) - len(passage.lstrip())
    return passage[:lead], inner, passage[lead + len(inner) :]


def plural(number: int, noun: str) -> str:
    """Returns the number with its noun: ``1 span``, ``1,204 spans``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def describe_span(span: Span) -> str:
    """Returns a span's size and count: ``12 tokens, 3 times in the corpus``."""
    times = "once" if span.count == 1 else f"{span.count:,} times"
    return f"{plural(span.end - span.start, 'token')}, {times} in the corpus"


def describe_reads(stats: TraceStats) -> str:
    """Returns what a trace asked of the disks: ``1,012 reads (2.5 a suffix and shard), 310 for documents, 5.4 MB``."""
    size_bytes = stats.search_reads.size_bytes + stats.retrieval_reads.size_bytes
    return (
        f"{plural(stats.search_reads.total, 'read')} ({stats.reads_per_suffix:.1f} a suffix and shard), "
        f"{stats.retrieval_reads.total:,} for documents, {size_bytes / 1e6:,.1f} MB"
    )


def covered_share(trace: Trace) -> float:
    """Returns the share of the answer's tokens that are inside a highlight, 0 to 1."""
    covered = sum(merged.end - merged.start for merged in trace.merged_spans)
    return covered / trace.num_tokens if trace.num_tokens else 0.0


def longest(spans: tuple[MergedSpan, ...]) -> int:
    """Returns the number of tokens of the longest highlight, 0 if there is none."""
    return max((merged.end - merged.start for merged in spans), default=0)


def _layers(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    # infini-gram's layout keeps the fields of a document's line inside "metadata", beside path and linenum.
    inner = metadata.get("metadata")
    return [inner, metadata] if isinstance(inner, Mapping) else [metadata]


def _letters(place: int) -> str:
    letters = string.ascii_lowercase
    return letters[place] if place < len(letters) else f"{letters[place % 26]}{place // 26}"
