"""Which documents an index in this process leaves out: those it says are removed, and those of a takedown file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import suffix_engine
from coordinator.cluster.takedown_file import TakedownFile
from coordinator.errors import ConfigurationError
from coordinator.takedown_list import TakedownList, shard_takedowns
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from index_format.removed_documents import DocumentNumbers, load_removed
from index_format.takedown_resolution import TakedownFinder
from index_format.takedowns import Takedown, Target, view_id


def read_takedowns(path: Path) -> TakedownList:
    """Returns the takedowns in a file, as a coordinator and ``headwater takedown`` keep them.

    Raises:
        ConfigurationError: the file is not there, cannot be read, is no list, or is older than what was written there
            before; nothing of it may be left out.
    """
    found = TakedownFile(path).read()
    if not found.epoch:
        raise ConfigurationError(f"{path}: found no file, expected a list of takedowns")
    return found


def takedowns_by_corpus(
    takedowns: TakedownList, index_ids: Mapping[str, str], *, is_named: bool
) -> list[list[Takedown]]:
    """Returns what each corpus has to obey. An index that was opened without a name obeys the takedowns of all corpora.

    Args:
        takedowns: The list.
        index_ids: The indexes, by corpus.
        is_named: Whether the names are those of the corpora, as the list means them.
    """
    every_name = {name for takedown in takedowns.takedowns for name in takedown.corpora}
    return [
        list(shard_takedowns(takedowns, dict.fromkeys([name] if is_named else every_name, index_id)))
        for name, index_id in index_ids.items()
    ]


def targets_in_force(path: Path, directory: Path, corpus: str | None) -> list[Target]:
    """Returns what the takedown file at ``path`` takes down in an index, as the corpus of a name, or of whatever name.

    Raises:
        ConfigurationError: as `read_takedowns`.
        IndexFormatError: there is no index.
    """
    index_ids = {corpus or "": IndexManifest.load(directory).index_id}
    [concerning] = takedowns_by_corpus(read_takedowns(path), index_ids, is_named=corpus is not None)
    return [takedown.target for takedown in concerning]


def left_out(
    directory: Path, index: IndexManifest, shards: list[ShardManifest], takedowns: list[Takedown]
) -> list[DocumentNumbers]:
    """Returns the documents of each shard that searches must not find, ascending.

    Raises:
        ManifestError: the index's list of removed documents, or a file, is not what it was.
    """
    removed = load_removed(directory, index, shards)
    if not takedowns:
        return removed
    targets = [takedown.target for takedown in takedowns]
    finders = [TakedownFinder(directory / shard_folder(shard.shard), index.index_id, shard) for shard in shards]
    return [np.union1d(of_index, finder.documents(targets)) for of_index, finder in zip(removed, finders, strict=True)]


def without(engine: suffix_engine.ShardIndex, documents: DocumentNumbers) -> tuple[suffix_engine.ShardIndex, str]:
    """Returns a shard without some of its documents, and the name of that view.

    Raises:
        EngineError: the shard's files contradict one another.
    """
    if not len(documents):
        return engine, ""
    return engine.without(documents.astype("<u8").tobytes()), view_id(documents)
