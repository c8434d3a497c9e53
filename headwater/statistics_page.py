"""The statistics of an index as one self-contained page: no network, no script, no text of a stranger's as markup."""

from html import escape
from itertools import pairwise
from pathlib import Path

from headwater.labels import plural
from headwater.page_assets import style_of
from headwater.plain_text import visible
from headwater.svg_charts import bar_chart, curve_chart, share_bar
from index_format.manifest import write_durably
from indexing.disk_needs import format_bytes
from indexing.statistics import IndexStatistics
from indexing.statistics.values import FrequentToken, RepeatShare

_SHOWN_TOKENS = 40
_MOST_BEGINNING = 160
# Nearly every passage that is shorter occurs again.
_SHORTEST_REPEAT = 4
# LCPs that share a bar: each alone at first, then as many as double.
_LCP_EDGES = (0, 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64, 128, 255, 256)


def write_statistics(path: Path, statistics: IndexStatistics, directory: Path) -> None:
    """Writes the page to ``path``: wholly, or not at all.

    Raises:
        OSError: it cannot be written; names ``path``.
    """
    try:
        write_durably(path, render_statistics(statistics, directory).encode())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def render_statistics(statistics: IndexStatistics, directory: Path) -> str:
    """Returns the page."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Statistics of {_text(directory.name)}</title>
<style>{style_of("statistics.css")}</style>
</head>
<body>
<header>
<h1>Headwater index statistics</h1>
<p class="index">{_text(str(directory))}, index {_text(statistics.index_id)}</p>
{_summary(statistics)}{_sample(statistics)}</header>
<main>
{_lengths_and_repeats(statistics)}
{_duplicates(statistics)}
{_sources(statistics)}
{_tokens(statistics)}
</main>
<footer>
<p>Made by <code>headwater index stats</code>. Repeats are counted within a shard, duplicates over all shards.</p>
</footer>
</body>
</html>
"""


def _text(text: str) -> str:
    return escape(visible(text))


def _share(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "0%"


def _summary(statistics: IndexStatistics) -> str:
    duplicates = statistics.duplicates
    figures = [
        (f"{statistics.num_documents:,}", "documents"),
        (
            f"{statistics.num_tokens - statistics.num_documents:,}",
            f"tokens of {plural(statistics.token_width, 'byte')}",
        ),
        (f"{statistics.num_shards:,}", "shards" if statistics.num_shards != 1 else "shard"),
        (f"{statistics.lengths.mean:,.0f}", "tokens a document on average"),
        (_share(duplicates.num_tokens, duplicates.tokens_looked_at), "of the tokens in duplicates"),
    ]
    if statistics.tokens:
        per_token = statistics.tokens.text_bytes / max(1, statistics.num_tokens - statistics.num_documents)
        figures.insert(
            2, (_text(format_bytes(statistics.tokens.text_bytes)), f"of text, {per_token:.2f} bytes a token")
        )
    cells = "".join(f"<div><dd>{value}</dd><dt>{label}</dt></div>" for value, label in figures)
    return f'<dl class="summary">{cells}</dl>\n'


def _sample(statistics: IndexStatistics) -> str:
    if statistics.sample is None:
        return ""
    return (
        f'<p class="note">Repeats, duplicates and sources are of a sample of {statistics.sample:.3%} '
        f"(seed {statistics.seed}). Lengths and token counts are of everything.</p>\n"
    )


def _lengths_and_repeats(statistics: IndexStatistics) -> str:
    lengths = statistics.lengths
    bars = [
        (
            _short(1 << (number - 1)) if number else "0",
            count / statistics.num_documents,
            f"{_range_of(number)} tokens: {plural(count, 'document')} ({count / statistics.num_documents:.2%})",
        )
        for number, count in enumerate(lengths.histogram)
    ]
    first = next((number for number, count in enumerate(lengths.histogram) if count), 0)
    figures = [
        f"<figure><figcaption><b>Length of documents</b>, in tokens, from each power of two to the next: "
        f"{lengths.shortest:,} to {lengths.longest:,}, half of them below about {lengths.median:,}.</figcaption>"
        + bar_chart(bars[first:], "Bars: share of the documents by their length in tokens")
        + "</figure>"
    ]
    if statistics.repeats is None:
        figures.append(
            "<figure><figcaption><b>Repeats</b> are read from the sidecars, which not every shard of this index has; "
            "<code>headwater index accelerate</code> adds them.</figcaption></figure>"
        )
    else:
        repeats = statistics.repeats
        total = max(1, repeats.ranks_looked_at)
        curve, left = [], total
        for length, count in enumerate(repeats.begins_histogram):
            if length >= _SHORTEST_REPEAT:
                curve.append((length, left / total))
            left -= count
        marks = [(share.length, share.share) for share in (RepeatShare(*curve[0]), *repeats.shares)]
        figures.append(
            "<figure><figcaption><b>Repeats</b>: the share of tokens at which a passage of so many tokens begins that "
            "occurs again in the shard.</figcaption>"
            + curve_chart(curve, marks, "Curve: share of tokens at which a repeated passage of some length begins")
            + "</figure>"
        )
        sums = [(low, high, sum(repeats.lcp_histogram[low:high])) for low, high in pairwise(_LCP_EDGES)]
        figures.append(
            "<figure><figcaption><b>LCPs</b>: tokens that each suffix shares with the one before it in the order, "
            "up to the document's end.</figcaption>"
            + bar_chart(
                [
                    (_lcp_label(low, high), count / total, f"{_lcp_range(low, high)} tokens: {_share(count, total)}")
                    for low, high, count in sums
                ],
                "Bars: share of the suffixes by the length of their longest common prefix with the one before",
            )
            + "</figure>"
        )
    return f'<section><h2>Documents and repeats</h2><div class="pictures">{"".join(figures)}</div></section>'


def _duplicates(statistics: IndexStatistics) -> str:
    found = statistics.duplicates
    told = (
        f"{plural(found.num_documents, 'document')} ({_share(found.num_documents, found.documents_looked_at)}) with "
        f"{plural(found.num_tokens, 'token')} ({_share(found.num_tokens, found.tokens_looked_at)}) "
        f"{'has' if found.num_documents == 1 else 'have'} exactly the tokens of an earlier one, "
        f"in {plural(found.num_groups, 'group')}."
    )
    rows = "".join(
        f'<tr><td class="number">{group.num_documents:,}</td><td class="number">{group.num_tokens:,}</td>'
        f'<td class="number">{group.shard}:{group.document}</td>'
        f'<td class="text">{_text(group.beginning[:_MOST_BEGINNING])}</td></tr>'
        for group in found.largest
    )
    table = (
        f'<div class="tables"><table><caption>Those that take the most tokens</caption><thead><tr>'
        f'<th scope="col" class="number">documents</th><th scope="col" class="number">tokens each</th>'
        f'<th scope="col" class="number">the first</th><th scope="col">begins</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        if rows
        else ""
    )
    return f"<section><h2>Duplicate documents</h2><p>{told}</p>{table}</section>"


def _sources(statistics: IndexStatistics) -> str:
    sources = statistics.sources
    if sources is None:
        return "<section><h2>Sources</h2><p>The index has no metadata.</p></section>"
    listed = [*sources.largest, *([sources.others] if sources.others.num_documents else [])]
    total = max(1, sum(row.num_tokens for row in listed))
    rows = "".join(
        f'<tr><td class="text">{_text(row.value)}</td><td class="number">{row.num_documents:,}</td>'
        f'<td class="number">{row.num_tokens:,}</td><td class="number">{row.num_tokens / total:.2%}</td>'
        f'<td class="share">{share_bar(row.num_tokens / total)}</td>'
        f'<td class="number">{row.num_tokens / max(1, row.num_documents):,.0f}</td></tr>'
        for row in listed
    )
    number = f"more than {sources.num_values:,}" if sources.is_cut_off else f"{sources.num_values:,}"
    return (
        f"<section><h2>Sources</h2><p>By the field <code>{_text(sources.field)}</code>: {number} "
        f"{'value' if sources.num_values == 1 else 'values'} in {plural(sources.documents_looked_at, 'document')}.</p>"
        f'<div class="tables"><table><thead><tr><th scope="col">{_text(sources.field)}</th>'
        f'<th scope="col" class="number">documents</th><th scope="col" class="number">tokens</th>'
        f'<th scope="col" class="number">share</th><th></th><th scope="col" class="number">tokens a document</th>'
        f"</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _tokens(statistics: IndexStatistics) -> str:
    use = statistics.tokens
    if use is None:
        return "<section><h2>Tokens</h2><p>The index has no unigram counts.</p></section>"
    total = max(1, statistics.num_tokens - statistics.num_documents)
    rows = "".join(
        f'<tr><td class="number">{token.token_id}</td><td class="text">{_token_text(token)}</td>'
        f'<td class="number">{token.count:,}</td><td class="number">{token.count / total:.2%}</td>'
        f'<td class="share">{share_bar(token.count / max(1, use.most_frequent[0].count))}</td></tr>'
        for token in use.most_frequent[:_SHOWN_TOKENS]
    )
    examples = ", ".join(f"<code>{_token_text(token)}</code>" for token in use.unused_examples)
    unused = f" Some that do not occur: {examples}." if examples else ""
    return (
        f"<section><h2>Tokens</h2><p>{use.num_unused:,} of {use.num_entries:,} entries of the vocabulary "
        f"({_share(use.num_unused, use.num_entries)}) do not occur.{unused}</p>"
        f'<div class="tables"><table><caption>The most frequent</caption><thead><tr>'
        f'<th scope="col" class="number">id</th><th scope="col">text</th><th scope="col" class="number">count</th>'
        f'<th scope="col" class="number">share</th><th></th></tr></thead><tbody>{rows}</tbody></table></div></section>'
    )


def _token_text(token: FrequentToken) -> str:
    # Quoted as Python does, so that white space at the ends is seen.
    return _text(repr(token.text)[1:-1].replace(" ", "\u00b7"))


def _range_of(number: int) -> str:
    return f"{1 << (number - 1):,} to {(1 << number) - 1:,}" if number else "0"


def _short(number: int) -> str:
    for size, unit in ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "k")):
        if number >= size:
            return f"{number // size}{unit}"
    return str(number)


def _lcp_label(low: int, high: int) -> str:
    return f"{low}+" if high == _LCP_EDGES[-1] else str(low)


def _lcp_range(low: int, high: int) -> str:
    if high == _LCP_EDGES[-1]:
        return f"{low} or more"
    return str(low) if high == low + 1 else f"{low} to {high - 1}"
