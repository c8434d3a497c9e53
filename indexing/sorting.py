"""Sorts shards one after another, each in a process that ends with the build."""

from collections.abc import Sequence

from indexing.engine_call import call_engine
from indexing.errors import EngineCallError, SortError
from indexing.progress import Stages
from indexing.writing import WrittenShard


def sort_shards(shards: Sequence[WrittenShard], width: int, num_threads: int, stages: Stages) -> None:
    """Writes the table of every shard, one after another: each takes all cores and as much memory as it needs.

    Raises:
        SortError: a sort failed.
        EngineKilledError: its process was killed.
    """
    with stages.stage("sort", sum(shard.num_tokens for shard in shards), "tokens") as progress:
        for shard in shards:
            try:
                call_engine("sort", shard.directory, token_width=width, num_threads=num_threads)
            except EngineCallError as error:
                raise SortError(f"{shard.directory}: the shard could not be sorted ({error})") from error
            progress.advanced(shard.num_tokens)
