"""Builds the sidecars of shards one after another, each in a process that ends with this one."""

from collections.abc import Sequence

from indexing.engine_call import call_engine, without_advice
from indexing.errors import AccelerationError, EngineCallError
from indexing.progress import Progress, Stages
from indexing.shard_files import ShardFiles


def accelerate_shards(
    shards: Sequence[ShardFiles], num_threads: int, stages: Stages, held_open: Sequence[int] = ()
) -> None:
    """Writes both sidecars of every shard, or what an earlier attempt left to do of them.

    Ended at any point, it leaves each shard with both or as it was, and files from which the next attempt continues.

    Raises:
        AccelerationError: a shard failed.
        EngineKilledError: its process was killed.
    """
    with stages.stage("accelerate", sum(shard.num_tokens for shard in shards), "tokens") as progress:
        for shard in shards:
            _accelerate(shard, num_threads, progress, held_open)


def _accelerate(shard: ShardFiles, num_threads: int, progress: Progress, held_open: Sequence[int]) -> None:
    done = 0
    goes_on = shard.unfinished.exists() and shard.journal.exists()
    if not goes_on:
        # One without its fan-out, as a crash between their removals leaves it, would be taken to speak of the next.
        shard.journal.unlink(missing_ok=True)

    def heard(line: str) -> None:
        nonlocal done, goes_on
        ranks = int(line)
        # The engine tells the ranks done in all, the first time soon after it has begun.
        tell = progress.found_done if goes_on else progress.advanced
        tell(ranks - done)
        done, goes_on = ranks, False

    try:
        call_engine(
            "accelerate",
            shard.folder,
            token_width=shard.token_width,
            num_threads=num_threads,
            number=shard.number,
            heard=heard,
            held_open=held_open,
        )
    except EngineCallError as error:
        raise AccelerationError(
            f"{shard.folder}: shard {shard.number} of this folder could not be accelerated "
            f"({without_advice(str(error))}); 'headwater index accelerate' goes on from here, "
            "with --force from the beginning"
        ) from error
    progress.advanced(shard.num_tokens - done)
