"""Sidecars for the indexes that the benches keep, and a check that an index has them."""

from pathlib import Path

from rich.console import Console

import indexing
import suffix_engine
from bench.errors import BenchError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest


def accelerated(directory: Path, console: Console) -> Path:
    """Returns ``directory`` once each of its shards has sidecars that this build reads, making them if need be."""
    with console.status(f"accelerating {directory} (once)"):
        indexing.accelerate(directory, force=_is_outdated(directory))
    return directory


def require_accelerated(directory: Path) -> None:
    """Checks that every shard has its sidecars.

    Raises:
        BenchError: one has none.
    """
    for shard in IndexManifest.load(directory).load_shards(directory):
        if not shard.is_accelerated:
            raise BenchError(
                f"{directory}: shard {shard.shard} has no sidecars to measure; "
                f"run 'headwater index accelerate {directory}' first"
            )


def _is_outdated(directory: Path) -> bool:
    """Says whether the engine refuses a shard that was indexed or accelerated by an earlier revision."""
    manifest = IndexManifest.load(directory)
    pool = suffix_engine.ThreadPool(1)
    try:
        for number in range(manifest.num_shards):
            suffix_engine.ShardIndex.open(directory / shard_folder(number), token_width=manifest.token_width, pool=pool)
    except suffix_engine.ShardFormatError:
        return True
    return False
