"""What was searched, said with every answer."""

from collections.abc import Sequence

from coordinator.values import Answers, Coverage, FailedShard


def coverage(shards_asked: int, answers: Answers, failed_later: Sequence[FailedShard] = ()) -> Coverage:
    """Returns the coverage of an answer whose first round gave ``answers``.

    ``failed_later`` are shards that answered the first round and not the second: what they hold is counted, but some of
    its documents are not shown.
    """
    failed = tuple(sorted((*answers.failed, *failed_later), key=lambda shard: shard.shard))
    return Coverage(
        shards_asked=shards_asked,
        shards_answered=shards_asked - len(failed),
        tokens_searched=sum(matches.num_tokens for matches in answers.matches),
        complete=not failed,
        failed_shards=failed,
    )
