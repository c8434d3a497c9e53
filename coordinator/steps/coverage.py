"""What was searched, said with every answer."""

from collections.abc import Sequence

from coordinator.corpus import Corpus
from coordinator.results import CorpusCoverage, Coverage
from coordinator.values import Answers, FailedShard


def coverage(corpora: Sequence[Corpus], answers: Answers, failed_later: Sequence[FailedShard] = ()) -> Coverage:
    """Returns the coverage of an answer from ``corpora`` whose first round gave ``answers``.

    ``failed_later`` are shards that answered the first round and not the second: what they hold is counted, but some of
    its documents are not shown.
    """
    failed = sorted((*answers.failed, *failed_later), key=lambda one: one.shard)
    parts = tuple(_of_corpus(corpus, answers, failed) for corpus in corpora)
    num_tokens = sum(part.num_tokens for part in parts)
    return Coverage(
        complete=not failed,
        counts_are_lower_bounds=bool(answers.failed),
        # An index of no tokens is searched as soon as it answers.
        share_searched=sum(part.tokens_searched for part in parts) / num_tokens if num_tokens else float(not failed),
        corpora=parts,
    )


def _of_corpus(corpus: Corpus, answers: Answers, failed: Sequence[FailedShard]) -> CorpusCoverage:
    ours = tuple(one for one in failed if one.shard.corpus == corpus.name)
    searched = [matches for matches in answers.matches if matches.shard.corpus == corpus.name]
    tokens_searched = sum(matches.num_tokens for matches in searched)
    # What is taken down is no part of the corpus; how much that is of a shard, only the shard knows.
    is_known = len(searched) == corpus.index.num_shards and any(matches.view_id for matches in searched)
    return CorpusCoverage(
        corpus=corpus.name,
        index_id=corpus.index.index_id,
        shards_asked=corpus.index.num_shards,
        shards_answered=corpus.index.num_shards - len(ours),
        num_tokens=tokens_searched if is_known else corpus.index.num_tokens,
        tokens_searched=tokens_searched,
        failed_shards=ours,
    )
