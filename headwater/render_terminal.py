"""A trace in a terminal: the answer with its spans, the spans, the documents, what was searched.

Nothing depends on colour alone. Where there is none (a pipe, ``--no-color``) spans stand in brackets; every
span has a number. Text of documents is never read as markup and cannot send control sequences.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from coordinator.results import Coverage, Document, Relevance, Snippet, Trace
from headwater.labels import (
    BLANK,
    covered_share,
    describe_corpus,
    describe_missing,
    describe_reads,
    describe_searched,
    describe_withheld,
    distinct_snippets,
    document_path,
    document_title,
    has_several_corpora,
    plural,
    span_labels,
    trimmed,
)
from headwater.plain_text import shorten, visible

# A background comes with its own foreground; the others are colours of the terminal's theme, dark or light.
_HIGHLIGHTS = {
    Relevance.HIGH: "bold #ffffff on #0b757d",
    Relevance.MEDIUM: "bold cyan underline",
    Relevance.LOW: "underline",
}
_LEVELS = {Relevance.HIGH: "bold cyan", Relevance.MEDIUM: "cyan", Relevance.LOW: "dim"}
_BAR_CELLS = 10
_MAX_SNIPPETS = 2
_MAX_SNIPPET_LINES = 9
_LINES_ROUND_MATCH = 2
_INDENT = 5
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True, slots=True)
class _Marks:
    """How a span is set off in this terminal."""

    before: str
    after: str
    ascii_only: bool

    def number(self, number: int) -> str:
        return f"[{number}]" if self.ascii_only else str(number).translate(_SUPERSCRIPTS)

    def trimmed(self, passage: str) -> tuple[str, str, str]:
        """Returns what `labels.trimmed` does, in characters that the terminal has."""
        lead, inner, trail = trimmed(passage)
        return lead, "_" if inner == BLANK and self.ascii_only else inner, trail


def print_trace(trace: Trace, console: Console, num_documents: int) -> None:
    """Prints a trace with its ``num_documents`` most relevant documents."""
    ascii_only = console.options.ascii_only
    if console.color_system is not None:
        marks = _Marks("", "", ascii_only)
    else:
        marks = _Marks("[[", "]]", True) if ascii_only else _Marks("⟦", "⟧", False)
    _print_warning(trace, console)
    _print_heading(console, "Answer")
    _print_indented(console, _marked_answer(trace, marks), 2)
    if trace.merged_spans:
        _print_spans(trace, console, marks)
        _print_documents(trace, console, marks, num_documents)
    else:
        console.print()
        console.print("  No passage of this answer occurs word for word in what was searched.", style="bold")
    _print_summary(trace, console)


def _print_heading(console: Console, title: str, note: str = "") -> None:
    console.print()
    console.print(Text.assemble((title.upper(), "bold"), (f"  {note}" if note else "", "dim")))
    console.print()


def _print_indented(console: Console, text: Text, indent: int) -> None:
    """Prints a text, wrapped, behind an indentation; without trailing spaces, which pipes would carry on."""
    text.expand_tabs(4)
    for row in text.wrap(console, console.width - indent):
        row.rstrip()
        console.print(Text.assemble(" " * indent if row else "", row, no_wrap=True, overflow="ignore"))


def _print_warning(trace: Trace, console: Console) -> None:
    coverage = trace.coverage
    if coverage.complete:
        return
    console.print()
    lines = Text(style="bold red")
    lines.append(
        f"!! INCOMPLETE: {coverage.shards_answered} of {plural(coverage.shards_asked, 'shard')} answered. "
        f"{describe_missing(coverage)}"
    )
    for failed in coverage.failed_shards:
        lines.append(f"\n!! shard {failed.shard}: {' '.join(visible(failed.reason).split())}")
    console.print(lines)


def _marked_answer(trace: Trace, marks: _Marks) -> Text:
    answer = visible(trace.answer)
    text = Text()
    end = 0
    for number, merged in enumerate(trace.merged_spans, start=1):
        text.append(answer[end : merged.start_char])
        _append_marked(
            text,
            answer[merged.start_char : merged.end_char],
            marks,
            _HIGHLIGHTS[merged.relevance],
            marks.number(number),
        )
        end = merged.end_char
    text.append(answer[end:])
    return text


def _append_marked(text: Text, marked: str, marks: _Marks, style: str, number: str = "") -> None:
    """Appends a span and its number; white space before and after it stays outside the highlight."""
    lead, inner, trail = marks.trimmed(marked)
    text.append(lead)
    text.append(f"{marks.before}{inner}{marks.after}" if inner else "", style)
    text.append(number, "bold cyan")
    text.append(trail)


def _print_spans(trace: Trace, console: Console, marks: _Marks) -> None:
    kept = f"{len(trace.spans)} kept of {trace.num_maximal_spans:,} found"
    note = f"{covered_share(trace):.0%} of the answer, {kept}"
    _print_heading(console, "Spans", note)
    counts = "at least" if trace.coverage.counts_are_lower_bounds else "count"
    console.print(Text(f"  span  relevance  tokens  {counts:>9}  docs  text", "dim"))
    for label, span in zip(span_labels(trace), trace.spans, strict=True):
        row = Text.assemble(
            (f"  {label:<4}  ", "bold cyan"),
            (f"{span.relevance.value:<9}  ", _LEVELS[span.relevance]),
            f"{span.end - span.start:>6}  {span.count:>9,}  {len(span.documents):>4}  ",
        )
        row.append(shorten(marks.trimmed(visible(span.text))[1], max(16, console.width - len(row))))
        row.truncate(console.width, overflow="ellipsis")  # some characters are two cells wide
        console.print(row, no_wrap=True, overflow="ignore")


def _print_documents(trace: Trace, console: Console, marks: _Marks, num_documents: int) -> None:
    shown = trace.documents[:num_documents]
    note = "most relevant first"
    if len(shown) < len(trace.documents):
        note = f"{len(shown)} of {len(trace.documents)}, {note}"
    _print_heading(console, "Documents", note)
    labels = span_labels(trace)
    for rank, document in enumerate(shown, start=1):
        if rank > 1:
            console.print()
        corpus = f"{visible(describe_corpus(document))}, " if has_several_corpora(trace.coverage) else ""
        _print_document(rank, document, corpus, labels, console, marks)


def _print_document(
    rank: int, document: Document, corpus: str, labels: tuple[str, ...], console: Console, marks: _Marks
) -> None:
    level = _LEVELS[document.relevance]
    head = Text.assemble((f"{rank:>3}  ", "bold"), overflow="ellipsis", no_wrap=True)
    head.append(f"{document.relevance.value.upper():<6} ", level)
    head.append_text(_bar(document.relevance_score, level, ascii_only=marks.ascii_only))
    head.append(f" {document.relevance_score:.2f}  ", level)
    title = visible(document_title(document)).replace("\n", " ")
    source = visible(document.source).replace("\n", " ")
    head.append(title, "bold")
    if source and source != title:
        head.append(f"  {source}", "dim")
    console.print(head)
    place = visible(document.url or document_path(document)).replace("\n", " ")
    if place and place != title:
        _print_indented(console, Text(place, "blue underline", overflow="fold"), _INDENT)
    spans = ", ".join(labels[span] for span in document.spans)
    noun = "span" if len(document.spans) == 1 else "spans"
    first = document.snippets[0] if document.snippets else None
    where = f", tokens {first.start:,} to {first.end:,} of {document.num_tokens:,}" if first else ""
    redacted = f", {document.num_redacted:,} redacted" if document.num_redacted else ""
    _print_indented(console, Text(f"{corpus}document {document.id}{where}, {noun} {spans}{redacted}", "dim"), _INDENT)
    shown = distinct_snippets(document)[0][:_MAX_SNIPPETS]
    for number, snippet in enumerate(shown):
        if number:
            _print_indented(console, Text(":" if marks.ascii_only else "⋮", "dim"), _INDENT)
        _print_snippet(snippet, document.relevance, console, marks)
    if more := len(document.snippets) - len(shown):
        _print_indented(console, Text(f"and {plural(more, 'more passage')}", "dim"), _INDENT)


def _bar(score: float, style: str, *, ascii_only: bool) -> Text:
    full, empty = ("#", ".") if ascii_only else ("━", "─")
    cells = round(min(1.0, max(0.0, score)) * _BAR_CELLS)
    return Text.assemble((full * cells, style), (empty * (_BAR_CELLS - cells), "dim"))


def _print_snippet(snippet: Snippet, relevance: Relevance, console: Console, marks: _Marks) -> None:
    shown = visible(snippet.text)
    text = Text(shown[: snippet.start_char])
    _append_marked(text, shown[snippet.start_char : snippet.end_char], marks, _HIGHLIGHTS[relevance])
    text.append(shown[snippet.end_char :])
    first = shown.count("\n", 0, snippet.start_char)
    last = first + shown.count("\n", snippet.start_char, max(snippet.start_char, snippet.end_char - 1))
    lines = _near(_dedented(text.split("\n", allow_blank=True)), first, last)
    gutter = Text("| " if marks.ascii_only else "│ ", "dim")
    width = console.width - _INDENT - len(gutter)
    for line in lines[:_MAX_SNIPPET_LINES]:
        line.expand_tabs(4)
        for row in line.wrap(console, width) or [Text()]:
            line_of_card = Text.assemble(" " * _INDENT, gutter, row, no_wrap=True, overflow="ignore")
            line_of_card.rstrip()
            console.print(line_of_card)
    if len(lines) > _MAX_SNIPPET_LINES:
        console.print(Text.assemble(" " * _INDENT, gutter, ("...", "dim")))


def _near(lines: list[Text], first: int, last: int) -> list[Text]:
    """Returns the lines of the match and a few round it, without blank ones at the ends."""
    start, end = max(0, first - _LINES_ROUND_MATCH), min(len(lines), last + 1 + _LINES_ROUND_MATCH)
    while start < first and not lines[start].plain.strip():
        start += 1
    while end > last + 1 and not lines[end - 1].plain.strip():
        end -= 1
    return lines[start:end]


def _dedented(lines: Iterable[Text]) -> list[Text]:
    """Returns the lines without the indentation they share. The first, cut anywhere, loses all of its own."""
    first, *rest = lines
    indents = [_indent(row) for row in rest if row.plain.strip()]
    shared = min(indents, default=0)
    return [_without(first, _indent(first)), *(_without(row, min(shared, _indent(row))) for row in rest)]


def _indent(row: Text) -> int:
    return len(row.plain) - len(row.plain.lstrip(" "))


def _without(row: Text, indent: int) -> Text:
    return row[indent:] if indent < len(row.plain) else Text()


def _searched_lines(coverage: Coverage) -> list[str]:
    """Returns what was searched: one line, or of several corpora one for all and one for each."""
    searched = f"Searched {describe_searched(coverage.corpora)}"
    if not has_several_corpora(coverage):
        return [f"{searched}, index {visible(coverage.corpora[0].index_id)}"]
    return [
        f"{searched} of {len(coverage.corpora)} corpora",
        *(
            visible(f"  {part.corpus}: {describe_searched((part,))}, index {part.index_id}")
            for part in coverage.corpora
        ),
    ]


def _print_summary(trace: Trace, console: Console) -> None:
    coverage, timings = trace.coverage, trace.timings
    console.print()
    steps = ", ".join(
        f"{name} {value:.1f}"
        for name, value in (
            ("tokenize", timings.tokenize_ms),
            ("search", timings.search_ms),
            ("filter", timings.filter_ms),
            ("retrieve", timings.retrieve_ms),
            ("rank", timings.rank_ms),
        )
    )
    for line in _searched_lines(coverage):
        console.print(Text(line, "dim" if coverage.complete else "bold red"))
    if withheld := describe_withheld(trace.withheld):
        console.print(Text(f"Not shown: {withheld}", "yellow"))
    console.print(Text(f"{timings.total_ms:.1f} ms: {steps}", "dim"))
    console.print(Text(describe_reads(trace.stats), "dim"))
