"""Adds the sidecars that make search fast to an index that is kept for the benches."""

from pathlib import Path

from rich.console import Console

import suffix_engine
from bench.errors import BenchError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest

FAN_OUT = "fanout.0"
DIRECTORY = "directory.0"


def accelerated(directory: Path, console: Console) -> Path:
    """Returns ``directory`` once each of its shards has its sidecars, building those that are missing."""
    manifest = IndexManifest.load(directory)
    for folder in _plain_shards(directory, manifest):
        with console.status(f"accelerating {folder} (once)"):
            suffix_engine.accelerate_shard(folder, token_width=manifest.token_width)
    return directory


def require_accelerated(directory: Path) -> None:
    """Checks that every shard has its sidecars.

    Raises:
        BenchError: one has none.
    """
    for folder in _plain_shards(directory, IndexManifest.load(directory)):
        raise BenchError(f"{folder}: no sidecars to measure; run 'headwater index accelerate {directory}' first")


def _plain_shards(directory: Path, manifest: IndexManifest) -> list[Path]:
    folders = [directory / shard_folder(number) for number in range(manifest.num_shards)]
    return [folder for folder in folders if not (folder / DIRECTORY).exists()]
