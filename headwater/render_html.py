"""A trace as one self-contained page: no network, nothing of a stranger's text is ever read as markup.

The page is complete without its script, which only shows and hides. A content security policy allows that
one script, by its hash, and no request to anywhere.
"""

import base64
import errno
import hashlib
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

from coordinator.results import Coverage, Document, Relevance, Snippet, Trace
from headwater.labels import (
    covered_share,
    describe_corpus,
    describe_missing,
    describe_reads,
    describe_searched,
    describe_span,
    describe_withheld,
    distinct_snippets,
    document_path,
    document_title,
    has_several_corpora,
    longest,
    plural,
    span_labels,
    trimmed,
)
from headwater.page_assets import asset, style_of
from headwater.plain_text import visible
from index_format.manifest import write_durably

# Those of a finished trace, in falling order.
_LEVELS = (Relevance.HIGH, Relevance.MEDIUM, Relevance.LOW)


def check_report_place(path: Path) -> None:
    """Checks, before a trace is made, that a page could be written to ``path``. Permissions are not checked.

    Raises:
        OSError: there is no folder to write it in, or ``path`` is a folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, f"cannot write the page, no such folder: {path.parent}", str(path))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "cannot write the page, it is a folder", str(path))


def write_report(path: Path, trace: Trace, prompt: str = "") -> None:
    """Writes the page of a trace to ``path``: wholly, or not at all.

    Raises:
        OSError: it cannot be written; names ``path``, not the file that is written first and then renamed.
    """
    try:
        write_durably(path, render_report(trace, prompt).encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def render_report(trace: Trace, prompt: str = "") -> str:
    """Returns the page of a trace."""
    style, script = style_of("page.css"), asset("page.js")
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script_hash}'; base-uri 'none'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{_text(_page_title(trace))}</title>
<style>{style}</style>
</head>
<body class="no-script">
<a class="skip" href="#documents">Skip to the documents</a>
{_masthead(trace)}
<main class="columns">
<section class="answer-side" aria-label="Answer">
{_prompt(prompt)}<div class="answer">{_answer(trace)}</div>
{_legend(trace)}
{_spans(trace)}{_corpora(trace)}</section>
{_documents(trace)}
</main>
<footer class="page-foot">
<p>Passages that occur word for word in the corpus, found by exact search. They show what the corpus holds;
they do not prove what the model learned from it. Relevance ranks the text round each passage against the prompt
and the answer.</p>
{_withheld(trace)}<p>{_timings(trace)} It took {describe_reads(trace.stats)}.</p>
<p>Keys: <kbd>n</kbd> and <kbd>p</kbd> move between passages, <kbd>Enter</kbd> picks one, <kbd>Esc</kbd> shows
all.</p>
</footer>
<script>{script}</script>
</body>
</html>
"""


def _withheld(trace: Trace) -> str:
    withheld = describe_withheld(trace.withheld)
    return f"<p>Not shown: {withheld}.</p>\n" if withheld else ""


def _text(text: str) -> str:
    return escape(visible(text))


def _page_title(trace: Trace) -> str:
    return f"Trace: {' '.join(trace.answer.split())[:60]}"


def _masthead(trace: Trace) -> str:
    coverage = trace.coverage
    shards = f"{coverage.shards_answered} of {plural(coverage.shards_asked, 'shard')}"
    num_tokens = sum(part.num_tokens for part in coverage.corpora)
    tokens = f"of {num_tokens:,} tokens" if coverage.tokens_searched < num_tokens else "tokens"
    figures = (
        (f"{covered_share(trace):.0%}", "of the answer found"),
        (f"{len(trace.merged_spans):,}", "passages" if len(trace.merged_spans) != 1 else "passage"),
        (f"{longest(trace.merged_spans):,}", "tokens in the longest"),
        (f"{len(trace.documents):,}", "documents" if len(trace.documents) != 1 else "document"),
        (f"{coverage.tokens_searched:,}", f"{tokens} searched, {shards}"),
        (f"{trace.timings.total_ms:,.0f}<small> ms</small>", "to trace"),
    )
    cells = "".join(f"<div><dd>{value}</dd><dt>{label}</dt></div>" for value, label in figures)
    return f"""<header>
<div class="masthead"><h1 class="name">Headwater trace</h1>
<span class="index">{_searched_index(coverage)}</span></div>
{_alarm(trace)}<dl class="summary">{cells}</dl>
</header>"""


def _searched_index(coverage: Coverage) -> str:
    if has_several_corpora(coverage):
        return f"{len(coverage.corpora)} corpora"
    return f"index {_text(coverage.corpora[0].index_id)}"


def _alarm(trace: Trace) -> str:
    if trace.coverage.complete:
        return ""
    failed = "".join(f"<li>Shard {shard.shard}: {_text(shard.reason)}</li>" for shard in trace.coverage.failed_shards)
    return (
        f'<div class="alarm" role="alert"><h2>Incomplete: {trace.coverage.shards_answered} of '
        f"{trace.coverage.shards_asked} shards answered</h2>"
        f"<p>{describe_missing(trace.coverage)}</p><ul>{failed}</ul></div>\n"
    )


def _prompt(prompt: str) -> str:
    return f'<p class="prompt">{_text(prompt.strip())}</p>\n' if prompt.strip() else ""


def _answer(trace: Trace) -> str:
    parts = []
    end = 0
    for number, merged in enumerate(trace.merged_spans):
        parts.append(_text(trace.answer[end : merged.start_char]))
        marked = trace.answer[merged.start_char : merged.end_char]
        lead, inner, trail = trimmed(marked)
        documents = " ".join(map(str, merged.documents))
        note = f"{merged.relevance.value} relevance, {plural(len(merged.documents), 'document')}"
        parts.append(
            f'{_text(lead)}<mark class="span {merged.relevance.value}" role="button" tabindex="0" '
            f'aria-pressed="false" aria-description="{note}" title="{note}" data-highlight="{number}" '
            f'data-documents="{documents}">{_text(inner)}<sup>{number + 1}</sup></mark>{_text(trail)}'
        )
        end = merged.end_char
    parts.append(_text(trace.answer[end:]))
    return "".join(parts)


def _legend(trace: Trace) -> str:
    if not trace.merged_spans:
        return '<p class="none">No passage of this answer occurs word for word in what was searched.</p>'
    marks = "".join(f'<span><mark class="{level.value}">{level.value}</mark> relevance</span>' for level in _LEVELS)
    return f'<div class="legend">{marks}</div>'


def _spans(trace: Trace) -> str:
    if not trace.spans:
        return ""
    rows = "".join(
        f'<tr><td>{label}</td><td>{span.relevance.value}</td><td class="number">{span.end - span.start}</td>'
        f'<td class="number">{span.count:,}</td><td class="number">{len(span.documents)}</td>'
        f"<td>{_text(trimmed(span.text)[1])}</td></tr>"
        for label, span in zip(span_labels(trace), trace.spans, strict=True)
    )
    counts = "at least" if trace.coverage.counts_are_lower_bounds else "in corpus"
    return f"""<details>
<summary>All {plural(len(trace.spans), "kept span")} of {trace.num_maximal_spans:,} found</summary>
<table class="spans">
<thead><tr><th scope="col">span</th><th scope="col">relevance</th><th scope="col" class="number">tokens</th>
<th scope="col" class="number">{counts}</th><th scope="col" class="number">documents</th>
<th scope="col">text</th></tr></thead>
<tbody>{rows}</tbody>
</table>
</details>
"""


def _corpora(trace: Trace) -> str:
    """Returns what was searched of each corpus; nothing of a single one, which the masthead describes."""
    if not has_several_corpora(trace.coverage):
        return ""
    rows = "".join(
        f"<tr><td>{_text(part.corpus)}</td><td>{_text(part.index_id)}</td><td>{describe_searched((part,))}</td></tr>"
        for part in trace.coverage.corpora
    )
    return f"""<details>
<summary>{len(trace.coverage.corpora)} corpora searched</summary>
<table class="spans">
<thead><tr><th scope="col">corpus</th><th scope="col">index</th><th scope="col">searched</th></tr></thead>
<tbody>{rows}</tbody>
</table>
</details>
"""


def _documents(trace: Trace) -> str:
    filters = "".join(
        f'<button type="button" aria-pressed="true" data-level-filter="{level.value}">{level.value} {number}</button>'
        for level in _LEVELS
        if (number := sum(document.relevance is level for document in trace.documents))
    )
    labels = span_labels(trace)
    highlights = {span: number for number, merged in enumerate(trace.merged_spans) for span in merged.spans}
    cards = "\n".join(
        _document(rank, document, labels, highlights, trace) for rank, document in enumerate(trace.documents)
    )
    status = "Most relevant first. Pick a passage to see its documents, or a document to see its passages."
    return f"""<section class="documents-side" id="documents" aria-label="Documents">
<div class="toolbar"><h2>{plural(len(trace.documents), "document")}</h2>{filters}
<button type="button" id="clear" hidden>Show all</button>
<p class="status" id="status" role="status">{status if trace.documents else ""}</p></div>
<ol class="documents">
{cards}
</ol>
</section>"""


def _document(rank: int, document: Document, labels: tuple[str, ...], highlights: dict[int, int], trace: Trace) -> str:
    title = document_title(document)
    level = document.relevance.value
    place = _link(document.url) or _text(document_path(document))
    corpus = _text(describe_corpus(document)) if has_several_corpora(trace.coverage) else ""
    sources = [part for part in (corpus, _text(document.source), place) if part and part != _text(title)]
    numbers = " ".join(str(number) for number in sorted({highlights[span] for span in document.spans}))
    spans = ", ".join(
        f'<span title="{describe_span(trace.spans[span], trace.coverage)}">{labels[span]}</span>'
        for span in document.spans
    )
    noun = "span" if len(document.spans) == 1 else "spans"
    where = f"tokens {document.start:,} to {document.end:,} of {document.num_tokens:,}"
    redacted = f", {document.num_redacted:,} redacted" if document.num_redacted else ""
    distinct, others = distinct_snippets(document)
    snippets = "".join(_snippet(snippet, document) for snippet in distinct)
    if others:
        more = "".join(_snippet(snippet, document) for snippet in others)
        snippets += f"<details><summary>{plural(len(others), 'more passage')} near these</summary>{more}</details>"
    return f"""<li class="document is-{level}" data-document="{rank}" data-level="{level}"
 data-highlights="{numbers}">
<span class="level"><b>{level}</b> {document.relevance_score:.2f}</span>
<h3><span class="rank">{rank + 1}</span>{_text(title)}</h3>
<p class="source">{" &middot; ".join(sources)}</p>
{snippets}
<footer><button type="button" data-locate aria-pressed="false">Show in the answer</button>
<span>{noun} {spans}</span>
<span>document {document.id}, {where}{redacted}</span></footer>
<details class="window"><summary>More of the document</summary>
<pre class="snippet">{_text(document.text)}</pre></details>
</li>"""


def _link(url: str) -> str:
    """Returns a link to a web address; anything else (``javascript:`` for one) stays text."""
    if not url:
        return ""
    try:
        parts = urlsplit(url)
    except ValueError:
        return _text(url)
    if parts.scheme not in ("http", "https") or not parts.netloc or visible(url) != url:
        return _text(url)
    return f'<a href="{escape(url)}" rel="noopener noreferrer nofollow" target="_blank">{_text(url)}</a>'


def _snippet(snippet: Snippet, document: Document) -> str:
    lead, inner, trail = trimmed(snippet.text[snippet.start_char : snippet.end_char])
    before = snippet.text[: snippet.start_char] + lead
    after = trail + snippet.text[snippet.end_char :]
    # The page draws an ellipsis at an end unless the snippet is known to reach the end of the document there.
    at_start = " from-start" if document.start == 0 and document.text.startswith(snippet.text) else ""
    at_end = " to-end" if document.end == document.num_tokens and document.text.endswith(snippet.text) else ""
    return (
        f'<p class="snippet{at_start}{at_end}">{_text(before.lstrip())}'
        f'<mark class="{document.relevance.value}">{_text(inner)}</mark>{_text(after.rstrip())}</p>\n'
    )


def _timings(trace: Trace) -> str:
    timings = trace.timings
    return (
        f"Traced in {timings.total_ms:.1f} ms: tokenize {timings.tokenize_ms:.1f}, "
        f"search {timings.search_ms:.1f}, filter {timings.filter_ms:.1f}, "
        f"retrieve {timings.retrieve_ms:.1f}, rank {timings.rank_ms:.1f}."
    )
