"""Which documents an index in this process leaves out: those it says are removed, and those of a takedown file."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

import suffix_engine
from coordinator.errors import ConfigurationError
from coordinator.takedown_list import TakedownList, shard_takedowns
from index_format.errors import TakedownError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from index_format.removed_documents import DocumentNumbers, load_removed
from index_format.takedown_resolution import TakedownFinder
from index_format.takedowns import Takedown, view_id


def read_takedowns(path: Path) -> TakedownList:
    """Returns the takedowns in a file, as a coordinator and ``headwater takedown`` keep them.

    Raises:
        ConfigurationError: the file is not there, cannot be read or is no list; nothing of it may be left out.
    """
    try:
        return TakedownList.parse(path.read_bytes(), path)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot read the takedown file ({error.strerror})") from None
    except TakedownError as error:
        raise ConfigurationError(str(error)) from None


def takedowns_by_corpus(takedowns: TakedownList, paths: Mapping[str, Path], *, is_named: bool) -> list[list[Takedown]]:
    """Returns what each corpus has to obey. An index that was opened without a name obeys the takedowns of all corpora.

    Args:
        takedowns: The list.
        paths: The directories, by corpus.
        is_named: Whether the names are those of the corpora, as the list means them.
    """
    every_name = {name for takedown in takedowns.takedowns for name in takedown.corpora}
    return [list(shard_takedowns(takedowns, {name} if is_named else every_name)) for name in paths]


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
