"""What ``headwater index`` prints when it is done: lines for people, or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from headwater.build_progress import format_seconds
from headwater.labels import plural
from headwater.plain_text import shorten, visible
from index_format.layout import DIRECTORY, FAN_OUT
from index_format.manifest import IndexManifest, ShardManifest
from indexing import AccelerationReport, BuildReport
from indexing.chunks import SourceCounts
from indexing.disk_needs import format_bytes

# Rows of the table of sources; the JSON form has all.
_MOST_SOURCES = 40
_SOURCE_WIDTH = 60


def print_build(place: str, manifest: IndexManifest, report: BuildReport, *, as_json: bool) -> None:
    """Prints what a build did."""
    seconds = sum(taken for _, taken in report.stage_seconds)
    # What earlier attempts did is among the tokens, and their time is not known.
    rate = None if report.continued else report.num_tokens / seconds if seconds else 0.0
    if as_json:
        summary = {"directory": place, "index_id": manifest.index_id, **asdict(report)}
        summary |= {"stage_seconds": dict(report.stage_seconds), "seconds": seconds, "tokens_per_second": rate}
        click.echo(json.dumps(summary))
        return
    skipped = f"{plural(report.skipped_bad, 'bad line')}, {plural(report.skipped_empty, 'empty document')}"
    how = "finished, after an interruption," if report.continued else "built"
    click.echo(f"{place}: index {manifest.index_id} {how} in {format_seconds(seconds)}")
    shards = plural(manifest.num_shards, "shard")
    click.echo(f"  documents  {report.num_documents:,} in {shards} (skipped: {skipped})")
    click.echo(f"  tokens     {report.num_tokens:,}" + ("" if rate is None else f", {rate:,.0f} a second"))
    click.echo(
        f"  size       {format_bytes(report.text_bytes)} of text, {format_bytes(report.index_bytes)} of index, "
        f"{format_bytes(report.temporary_bytes)} of temporary files at the most"
    )
    for line in source_lines(report.sources):
        click.echo(line)


def source_lines(sources: Sequence[SourceCounts]) -> list[str]:
    """Returns a table of what each source file gave; nothing for a single file that nothing was left out of."""
    if len(sources) < 2 and not any(source.skipped_empty or source.skipped_bad for source in sources):
        return []
    rows: list[tuple[str, ...]] = [("source", "documents", "tokens", "text", "empty", "bad")]
    rows += [(shorten(visible(one.name), _SOURCE_WIDTH), *_cells(one)) for one in sources[:_MOST_SOURCES]]
    if others := sources[_MOST_SOURCES:]:
        rows.append((f"{len(others):,} others", *_cells(_total(others))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip() for row in rows]


def _total(sources: Sequence[SourceCounts]) -> SourceCounts:
    return SourceCounts(
        "",
        sum(source.num_documents for source in sources),
        sum(source.num_tokens for source in sources),
        sum(source.text_bytes for source in sources),
        sum(source.skipped_empty for source in sources),
        sum(source.skipped_bad for source in sources),
    )


def _cells(source: SourceCounts) -> tuple[str, ...]:
    numbers = (source.num_documents, source.num_tokens)
    left_out = (source.skipped_empty, source.skipped_bad)
    return (*(f"{n:,}" for n in numbers), format_bytes(source.text_bytes), *(f"{n:,}" for n in left_out))


def print_acceleration(directory: Path, report: AccelerationReport, *, as_json: bool) -> None:
    """Prints what adding sidecars did."""
    seconds = sum(taken for _, taken in report.stage_seconds)
    if as_json:
        summary = {"directory": str(directory), **asdict(report)}
        summary |= {"stage_seconds": dict(report.stage_seconds), "seconds": seconds}
        click.echo(json.dumps(summary))
        return
    shards = plural(report.num_shards, "shard")
    if report.accelerated == 0:
        click.echo(f"{directory}: already accelerated, {shards}")
    else:
        click.echo(f"{directory}: {report.accelerated} of {shards} accelerated in {format_seconds(seconds)}")
    click.echo(f"  sidecars   {_sidecar_sizes(report.fan_out_bytes, report.directory_bytes, report.num_tokens)}")


def print_index(manifest: IndexManifest, shards: Sequence[ShardManifest], *, as_json: bool) -> None:
    """Prints what an index holds."""
    if as_json:
        click.echo(json.dumps({**asdict(manifest), "shards": [asdict(shard) for shard in shards]}))
        return
    sizes = [sum(entry.size_bytes for entry in shard.files.values()) for shard in shards]
    rows = [
        ("index", manifest.index_id),
        ("source", manifest.source or "-"),
        ("stage", manifest.stage or "-"),
        ("documents", f"{manifest.num_documents:,}"),
        *_changes(manifest),
        ("tokens", f"{manifest.num_tokens:,} of {manifest.token_width} bytes"),
        (
            "tokenizer",
            f"{manifest.tokenizer}, {manifest.vocab_size:,} entries, sha256 {manifest.tokenizer_sha256[:16]}",
        ),
        ("size", f"{format_bytes(sum(sizes))} in shards"),
        ("accelerated", _acceleration_of(shards)),
        ("built by", f"{manifest.built_by}, format version {manifest.format_version}"),
    ]
    rows += [
        (
            f"shard {shard.shard}",
            f"{shard.num_documents:,} documents, {shard.num_tokens:,} tokens, {format_bytes(size)}",
        )
        for shard, size in zip(shards, sizes, strict=True)
    ]
    for name, value in rows:
        click.echo(f"{name:<12}{visible(value)}")


def _changes(manifest: IndexManifest) -> list[tuple[str, str]]:
    """Returns what has changed since an index was built; nothing if nothing has."""
    rows = [("generation", str(manifest.generation))] if manifest.generation else []
    if manifest.removed_documents:
        still = "searches do not find them, 'headwater index compact' frees their room"
        rows.append(("removed", f"{plural(manifest.removed_documents, 'document')}; {still}"))
    return rows


def _acceleration_of(shards: Sequence[ShardManifest]) -> str:
    """Returns whether an index has sidecars, and what they take."""
    accelerated = [shard for shard in shards if shard.is_accelerated]
    if not accelerated:
        return "no; 'headwater index accelerate' makes searches faster"
    fan_out, directory = (sum(shard.files[name].size_bytes for shard in accelerated) for name in (FAN_OUT, DIRECTORY))
    which = "yes" if len(accelerated) == len(shards) else f"{len(accelerated)} of {plural(len(shards), 'shard')}"
    return f"{which}; {_sidecar_sizes(fan_out, directory, sum(shard.num_tokens for shard in accelerated))}"


def _sidecar_sizes(fan_out_bytes: int, directory_bytes: int, num_tokens: int) -> str:
    return (
        f"fan-out {format_bytes(fan_out_bytes)} ({fan_out_bytes / num_tokens:.2f} bytes a token), "
        f"directory {format_bytes(directory_bytes)}, held in RAM ({directory_bytes / num_tokens:.3f} bytes a token)"
    )
