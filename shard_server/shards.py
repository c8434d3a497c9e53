"""Opens the shards that a server holds, after checking manifests, files and the tokenizer, and warms them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import suffix_engine
from index_format.errors import ManifestError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest
from index_format.tokenizer import open_tokenizer
from shard_server.checksums import check_files, published_files
from shard_server.config import ShardServerConfig
from shard_server.errors import ConfigError, WrongShardError

# A query of token 0, which every vocabulary has, that a match may start with.
_FIRST_TOKEN = _FIRST_START = bytes(4)


@dataclass(frozen=True, slots=True)
class OpenShards:
    """The shards of one index that this process serves, by number."""

    index: IndexManifest
    by_number: Mapping[int, suffix_engine.ShardIndex]

    def shard(self, number: int, index_id: str) -> suffix_engine.ShardIndex:
        """Returns shard ``number`` of the index that the caller means.

        Raises:
            WrongShardError: the caller means another index, or the shard is not served here.
        """
        if index_id != self.index.index_id:
            raise WrongShardError(f"index {self.index.index_id} is served here, the request is for {index_id!r}")
        try:
            return self.by_number[number]
        except KeyError:
            served = ", ".join(map(str, self.by_number))
            raise WrongShardError(f"shard {number} is not served here, only {served}") from None


def open_shards(config: ShardServerConfig) -> OpenShards:
    """Returns the configured shards, opened: directories are in memory, and each has answered a search.

    Raises:
        ConfigError: the index has no such shard.
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
    for number in numbers:
        folder = config.index / shard_folder(number)
        manifest = index.load_shard(config.index, number)
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
    return OpenShards(index, shards)


def _vocabulary(directory: Path, index: IndexManifest) -> suffix_engine.Vocabulary:
    vocabulary = open_tokenizer(directory, index).vocabulary
    return suffix_engine.Vocabulary(
        vocabulary.pieces,
        fallback_ids=vocabulary.fallback_ids,
        byte_level=vocabulary.byte_level,
        strip_leading_space=vocabulary.strip_leading_space,
    )
