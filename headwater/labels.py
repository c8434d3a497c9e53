"""What a reader calls the spans and documents of a trace; the same words in the terminal and on the page."""

import string
from collections.abc import Mapping, Sequence
from typing import Any

from coordinator.read_counts import TraceStats
from coordinator.results import CorpusCoverage, Count, Coverage, Document, MergedSpan, Snippet, Span, Trace, Withheld

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


def describe_span(span: Span, coverage: Coverage) -> str:
    """Returns a span's size and count: ``12 tokens, 3 times in the corpus``; ``at least`` so if shards are missing."""
    times = "once" if span.count == 1 else f"{span.count:,} times"
    bound = "at least " if coverage.counts_are_lower_bounds else ""
    place = "corpora" if has_several_corpora(coverage) else "corpus"
    return f"{plural(span.end - span.start, 'token')}, {bound}{times} in the {place}"


def plain_count(count: Count) -> str:
    """Returns a count for a script to read: the number alone, ``at least`` before it if shards are missing."""
    return f"at least {count.count}" if count.coverage.counts_are_lower_bounds else str(count.count)


def has_several_corpora(coverage: Coverage) -> bool:
    """Says whether more than one corpus was searched, so that each document must say of which it is."""
    return len(coverage.corpora) > 1


def describe_corpus(document: Document) -> str:
    """Returns a document's corpus and its stage of training: ``corpus web (pre-training)``."""
    return f"corpus {document.corpus} ({document.stage})" if document.stage else f"corpus {document.corpus}"


def describe_searched(parts: Sequence[CorpusCoverage]) -> str:
    """Returns how much of some corpora was searched.

    ``4,812,345 tokens in 3 of 3 shards``, or ``3,100,000 of 4,812,345 tokens (64.4%) in 2 of 3 shards``.
    """
    searched, num_tokens = sum(part.tokens_searched for part in parts), sum(part.num_tokens for part in parts)
    answered, asked = sum(part.shards_answered for part in parts), sum(part.shards_asked for part in parts)
    # Rounded down: what is not all is never 100 %.
    share = f" of {num_tokens:,} tokens ({searched * 1000 // num_tokens / 10}%)" if searched < num_tokens else " tokens"
    return f"{searched:,}{share} in {answered:,} of {plural(asked, 'shard')}"


def describe_missing(coverage: Coverage) -> str:
    """Returns what an incomplete trace may lack: all that a shard holds, or only its documents."""
    if coverage.counts_are_lower_bounds:
        return "Passages may be missing, and counts are lower bounds."
    return "Every shard was searched, but documents may be missing."


def describe_reads(stats: TraceStats) -> str:
    """Returns what a trace asked of the disks: ``1,012 reads (2.5 a suffix and shard), 310 for documents, 5.4 MB``."""
    size_bytes = stats.search_reads.size_bytes + stats.retrieval_reads.size_bytes
    return (
        f"{plural(stats.search_reads.total, 'read')} ({stats.reads_per_suffix:.1f} a suffix and shard), "
        f"{stats.retrieval_reads.total:,} for documents, {size_bytes / 1e6:,.1f} MB"
    )


def describe_withheld(withheld: Withheld) -> str:
    """Returns what an answer leaves out on purpose, empty if nothing.

    ``3 placeholders for personal data, 1 document withheld, 12 occurrences in documents that were taken down``.
    """
    parts = (
        (withheld.redacted, f"{plural(withheld.redacted, 'placeholder')} for personal data"),
        (withheld.documents, f"{plural(withheld.documents, 'document')} withheld"),
        (withheld.occurrences, f"{plural(withheld.occurrences, 'occurrence')} in documents that were taken down"),
        (withheld.occurrences_untold, "what stands in documents that were taken down, if anything does"),
    )
    return ", ".join(text for number, text in parts if number)


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
