"""Gives an index out in the form in which infini-gram's engine opens it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from index_format.layout import (
    CORE_FILES,
    TOKENIZER_FILE,
    UNIGRAM,
    check_path_name,
    numbered,
    shard_folder,
)
from index_format.manifest import IndexManifest, ShardManifest, flush_directory
from index_format.tokenizer import RAW_BYTES
from indexing.errors import OutputError
from indexing.living.links import Linked, copy, link
from indexing.progress import Progress, SilentProgress, Stages

ExportLayout = Literal["v4", "v6"]

# infini-gram reads the counts of one-byte tokens character by character, and then finds that they do not add up.
_MISREAD = {1: (UNIGRAM,)}


@dataclass(frozen=True, slots=True)
class ExportReport:
    """What an export made: files by how they came there, and the arguments that open it with infini-gram."""

    links: Mapping[Linked, int]
    index_directories: tuple[str, ...]
    token_type: str
    stage_seconds: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]


def export_index(
    directory: Path,
    output: Path,
    progress: Progress | None = None,
    *,
    layout: ExportLayout = "v4",
    copies: bool = False,
) -> ExportReport:
    """Makes a folder in ``output`` that infini-gram's engine opens, of links to the files of an index.

    Args:
        directory: An index.
        output: The folder; new or empty, or what is left of an export of the same index that was interrupted.
        progress: Listens.
        layout: ``v4`` for all shards in one folder, their files numbered; ``v6`` for a folder a shard, without numbers.
        copies: Copy files instead of linking them.

    Raises:
        OutputError: ``output`` holds something else.
        PathNameError: infini-gram could not tell files apart there.
        IndexFormatError: there is no index, or its manifests disagree.
    """
    check_path_name(output)
    stages = Stages(progress or SilentProgress())
    manifest = IndexManifest.load(directory)
    shards = manifest.load_shards(directory, check_sidecars=False)
    names = _names(shards, layout)
    _check_output(output, names)
    _note_limits(manifest, layout, stages)
    links: Counter[Linked] = Counter()
    size_bytes = sum(shards[number].files[name].size_bytes for number, name in names)
    with stages.stage("copy" if copies else "link", size_bytes, "bytes") as stage:
        for (number, name), relative in names.items():
            source, target = directory / shard_folder(number) / name, output / relative
            links[_give(source, target, copies=copies)] += 1
            stage.advanced(shards[number].files[name].size_bytes)
    if manifest.tokenizer != RAW_BYTES:
        copy(directory / manifest.tokenizer, output / TOKENIZER_FILE)
    for folder in {(output / relative).parent for relative in names.values()} | {output}:
        flush_directory(folder)
    folders = [output] if layout == "v4" else [output / shard_folder(shard.shard) for shard in shards]
    return ExportReport(
        dict(links),
        tuple(map(str, folders)),
        f"u{8 * manifest.token_width}",
        stages.seconds,
        stages.notes,
    )


def _names(shards: Sequence[ShardManifest], layout: ExportLayout) -> dict[tuple[int, str], str]:
    """Returns, for each file by shard and name, where it goes below the output."""
    return {
        (shard.shard, name): (
            numbered(name, shard.shard) if layout == "v4" else f"{shard_folder(shard.shard)}/{name.removesuffix('.0')}"
        )
        for shard in shards
        for name in CORE_FILES
        if name in shard.files and name not in _MISREAD.get(shard.token_width, ())
    }


def _check_output(output: Path, names: Mapping[tuple[int, str], str]) -> None:
    if not output.exists():
        return
    if not output.is_dir():
        raise OutputError(f"{output}: is no directory; choose another")
    ours = {TOKENIZER_FILE, *names.values(), *(f"{name}.tmp" for name in (TOKENIZER_FILE, *names.values()))}
    there = {str(path.relative_to(output)) for path in output.rglob("*") if not path.is_dir()}
    if strange := sorted(there - ours):
        raise OutputError(
            f"{output}: the directory is not empty, it holds {strange[0]}; choose another, or empty it first"
        )


def _give(source: Path, target: Path, *, copies: bool) -> Linked:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not copies:
        return link(source, target, "symbolic")
    # One of the right size is whole: it was renamed in when it was. A link of an earlier export is replaced.
    if target.is_symlink() or not target.exists() or target.samefile(source) or _size(target) != _size(source):
        target.unlink(missing_ok=True)
        copy(source, target)
    return "copy"


def _size(path: Path) -> int:
    return path.stat().st_size


def _note_limits(manifest: IndexManifest, layout: ExportLayout, stages: Stages) -> None:
    if manifest.removed_documents:
        stages.note(
            f"{manifest.removed_documents} documents that are marked as removed are in what is exported; "
            "'headwater index compact' first makes an index without them"
        )
    if manifest.token_width in _MISREAD:
        stages.note("infini-gram misreads counts of one-byte tokens, so those are left out")
    if layout == "v4" and manifest.num_shards > 10:
        stages.note("infini-gram puts shard 10 before shard 2: its document numbers count shards in that order")
