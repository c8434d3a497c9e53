"""Opens the shards that a server holds, after checking manifests, files and the tokenizer, and warms them."""

import os
from collections.abc import Mapping
from pathlib import Path

import suffix_engine
from index_format.errors import ManifestError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest
from index_format.removed_documents import load_removed
from index_format.tokenizer import open_tokenizer
from shard_server.checksums import check_files, published_files
from shard_server.config import ShardServerConfig
from shard_server.errors import ConfigError, WrongShardError
from shard_server.takedown_store import TakedownStore
from shard_server.takedowns import Takedowns
from shard_server.view_store import ViewStore
from shard_server.views import ShardView, ShardViews

# A query of token 0, which every vocabulary has, that a match may start with.
_FIRST_TOKEN = _FIRST_START = bytes(4)


class OpenShards:
    """The shards of one index that this process serves.

    Attributes:
        index: The index.
        by_number: The shards with all their documents, for what concerns files and takedowns.
        views: What is searched.
        takedowns: Changes the views. Without it, the list of takedowns cannot be changed.
    """

    def __init__(
        self,
        index: IndexManifest,
        by_number: Mapping[int, suffix_engine.ShardIndex],
        views: ShardViews | None = None,
        takedowns: Takedowns | None = None,
    ):
        """Serves ``views``; if they are not given, all documents."""
        self.index = index
        self.by_number = by_number
        self.views = views or ShardViews(by_number)
        self.takedowns = takedowns

    def view(self, number: int, index_id: str) -> ShardView:
        """Returns the present view of shard ``number`` of the index that the caller means.

        Raises:
            WrongShardError: the caller means another index, or the shard is not served here.
        """
        self._check_index(index_id)
        return self.views.view(number)

    def view_named(self, number: int, index_id: str, view_id: str) -> ShardView:
        """Returns the view of shard ``number`` that the caller's ranks are of.

        Raises:
            WrongShardError: as `view`.
            ViewGoneError: it is not kept any more.
        """
        self._check_index(index_id)
        return self.views.view_named(number, view_id)

    def _check_index(self, index_id: str) -> None:
        if index_id != self.index.index_id:
            raise WrongShardError(f"index {self.index.index_id} is served here, the request is for {index_id!r}")


def open_shards(config: ShardServerConfig) -> OpenShards:
    """Returns the configured shards, opened: directories are in memory, and each has answered a search.

    They obey the takedowns that ``state_dir`` keeps.

    Raises:
        ConfigError: the index has no such shard.
        TakedownStoreError, TakedownsFailedError: the takedowns cannot be read or obeyed.
        DamagedFileError: checksums are asked for, and one is not the published one.
        IndexFormatError: the index, a shard or the tokenizer is missing or not what its manifest says.
        EngineError: the files of a shard are not a shard.
    """
    index = IndexManifest.load(config.index)
    numbers = config.shards or tuple(range(index.num_shards))
    if numbers[-1] >= index.num_shards:
        raise ConfigError(
            f"{config.index}: asked for shard {numbers[-1]}, the index has shards 0 to {index.num_shards - 1}"
        )
    if config.check_files == "checksums":
        check_files(published_files(config.index, index, numbers), os.cpu_count() or 1)
    vocabulary = _vocabulary(config.index, index)
    pool = suffix_engine.ThreadPool(config.search_threads)
    shards = {}
    manifests = {number: index.load_shard(config.index, number) for number in numbers}
    for number, manifest in manifests.items():
        folder = config.index / shard_folder(number)
        shard = suffix_engine.ShardIndex.open(
            folder, token_width=manifest.token_width, pool=pool, vocabulary=vocabulary
        )
        found, published = (shard.num_tokens, shard.num_documents), (manifest.num_tokens, manifest.num_documents)
        if found != published:
            raise ManifestError(
                f"{folder}: files hold {found[0]} tokens in {found[1]} documents, "
                f"the manifest says {published[0]} in {published[1]}"
            )
        shard.longest_matches(_FIRST_TOKEN, _FIRST_START, b"")
        shards[number] = shard
    removed = load_removed(config.index, index, list(manifests.values()))
    views = ShardViews(shards, dict(zip(numbers, removed, strict=True)))
    store = TakedownStore(config.state_dir) if config.state_dir is not None else None
    view_store = ViewStore(config.state_dir, index.index_id, manifests) if config.state_dir is not None else None
    takedowns = Takedowns(config.index, index, manifests, views, store, view_store)
    takedowns.restore()
    return OpenShards(index, shards, views, takedowns)


def _vocabulary(directory: Path, index: IndexManifest) -> suffix_engine.Vocabulary:
    vocabulary = open_tokenizer(directory, index).vocabulary
    return suffix_engine.Vocabulary(
        vocabulary.pieces,
        fallback_ids=vocabulary.fallback_ids,
        byte_level=vocabulary.byte_level,
        strip_leading_space=vocabulary.strip_leading_space,
    )
