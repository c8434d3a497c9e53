"""``headwater index stats``: what an index holds, in figures, and as a page with pictures."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console

from headwater.build_progress import build_progress
from headwater.command_options import PATH, SEED, json_option, sample_option, threads_option
from headwater.labels import plural
from headwater.plain_text import shorten, visible
from headwater.render_html import check_report_place
from headwater.statistics_page import write_statistics
from indexing.disk_needs import format_bytes
from indexing.statistics import IndexStatistics, gather_statistics
from indexing.statistics.sources_of_documents import DEFAULT_FIELD

_SHOWN_SOURCES = 10
_SHOWN_TOKENS = 10


@click.command("stats")
@click.argument("directory", type=PATH)
@click.option("--html", type=PATH, metavar="FILE", help="Also write a page with pictures, which needs nothing else.")
@click.option(
    "--by",
    default=DEFAULT_FIELD,
    show_default=True,
    metavar="FIELD",
    help="Field of the metadata to tell sources apart by; 'path' is the file of the corpus.",
)
@sample_option("Look only at this share of repeats, duplicates and sources, like 0.01.")
@SEED
@threads_option("Processes, each for a shard")
@click.option(
    "--work-dir",
    type=PATH,
    metavar="DIR",
    help="Folder for temporary files: 16 bytes a document. The system's if not given.",
)
@json_option("the statistics")
def stats_command(
    directory: Path,
    html: Path | None,
    by: str,
    sample: float | None,
    seed: int,
    threads: int,
    work_dir: Path | None,
    as_json: bool,
) -> None:
    """Count what an index holds: documents, lengths, repeats, duplicates, sources, tokens.

    Example: headwater index stats my-index --html stats.html --by source
    """
    if html is not None:
        check_report_place(html)
    with build_progress(Console(stderr=True)) as shown:
        statistics = gather_statistics(directory, shown, threads, by=by, sample=sample, seed=seed, scratch=work_dir)
    if html is not None:
        write_statistics(html, statistics, directory)
    if as_json:
        click.echo(json.dumps({"directory": str(directory), **asdict(statistics)}))
    else:
        for name, value in _rows(directory, statistics):
            click.echo(f"{name:<12}{visible(value)}")
        if html is not None:
            click.echo(f"{'page':<12}{visible(str(html))}")


def _rows(directory: Path, statistics: IndexStatistics) -> list[tuple[str, str]]:
    lengths, duplicates = statistics.lengths, statistics.duplicates
    num_tokens = statistics.num_tokens - statistics.num_documents
    rows = [
        ("index", f"{directory}, {statistics.index_id}"),
        ("documents", f"{statistics.num_documents:,} in {plural(statistics.num_shards, 'shard')}"),
        ("tokens", f"{num_tokens:,} of {plural(statistics.token_width, 'byte')}"),
        (
            "lengths",
            f"{lengths.shortest:,} to {lengths.longest:,} tokens, {lengths.mean:,.0f} on average, "
            f"median about {lengths.median:,}",
        ),
    ]
    if statistics.tokens:
        use = statistics.tokens
        per_token = use.text_bytes / max(1, num_tokens)
        rows.append(("text", f"{format_bytes(use.text_bytes)}, {per_token:.2f} bytes a token"))
    if statistics.sample is not None:
        rows.append(("sample", f"{statistics.sample:.3%} of what follows, seed {statistics.seed}"))
    if statistics.repeats is None:
        rows.append(("repeats", "not known without sidecars; 'headwater index accelerate' adds them"))
    else:
        shares = ", ".join(f"{share.length}: {share.share:.2%}" for share in statistics.repeats.shares)
        rows.append(("repeats", f"tokens where a passage of so many begins that occurs again in its shard: {shares}"))
    rows.append(
        (
            "duplicates",
            f"{plural(duplicates.num_documents, 'document')} of {duplicates.documents_looked_at:,} "
            f"({duplicates.num_documents / max(1, duplicates.documents_looked_at):.2%}) with "
            f"{plural(duplicates.num_tokens, 'token')} "
            f"({duplicates.num_tokens / max(1, duplicates.tokens_looked_at):.2%})",
        )
    )
    if statistics.tokens:
        use = statistics.tokens
        frequent = " ".join(repr(token.text) for token in use.most_frequent[:_SHOWN_TOKENS])
        rows.append(("vocabulary", f"{use.num_unused:,} of {use.num_entries:,} entries do not occur"))
        rows.append(("frequent", frequent))
    if statistics.sources:
        sources = statistics.sources
        total = max(1, sum(row.num_tokens for row in sources.largest) + sources.others.num_tokens)
        shown = sources.largest[:_SHOWN_SOURCES]
        rows += [
            (
                f"by {shorten(sources.field, 8)}" if number == 0 else "",
                f"{row.num_tokens / total:>7.2%}  {row.num_tokens:>15,} tokens  {row.num_documents:>12,} documents  "
                f"{shorten(row.value, 60)}",
            )
            for number, row in enumerate(shown)
        ]
        more = f"more than {sources.num_values:,}" if sources.is_cut_off else f"{sources.num_values:,}"
        if sources.num_values > len(shown):
            rows.append(("", f"{len(shown)} of {more} values; --json and --html show 50"))
    return rows
