from dataclasses import replace

import numpy as np

from coordinator.steps.coverage import coverage
from coordinator.values import Answers, FailedShard, ShardId, ShardMatches
from tests.oracle_shard import corpus_of

PRE = corpus_of("pre", [["abc"], ["abcde"]])  # 4 and 6 positions
POST = corpus_of("post", [["a" * 9]])  # 10 positions
EMPTY = np.zeros(0, dtype=np.uint32)
NO_RANKS = np.zeros(0, dtype=np.uint64)


def matches(corpus, number, num_tokens):
    return ShardMatches(ShardId(corpus, number), EMPTY, EMPTY, NO_RANKS, NO_RANKS, NO_RANKS, num_tokens)


def failed(corpus, number):
    return FailedShard(ShardId(corpus, number), "gone")


def test_a_complete_answer_covers_every_position():
    answers = Answers((matches("pre", 0, 4), matches("pre", 1, 6), matches("post", 0, 10)), ())
    found = coverage([PRE, POST], answers)
    assert (found.complete, found.counts_are_lower_bounds, found.share_searched) == (True, False, 1.0)
    assert (found.shards_asked, found.shards_answered, found.tokens_searched) == (3, 3, 20)
    assert [(part.corpus, part.index_id) for part in found.corpora] == [
        ("pre", "index of pre"),
        ("post", "index of post"),
    ]


def test_a_shard_that_was_not_searched_makes_counts_lower_bounds():
    answers = Answers((matches("pre", 0, 4), matches("post", 0, 10)), (failed("pre", 1),))
    found = coverage([PRE, POST], answers)
    assert (found.complete, found.counts_are_lower_bounds, found.share_searched) == (False, True, 14 / 20)
    pre, post = found.corpora
    assert (pre.shards_asked, pre.shards_answered, pre.num_tokens, pre.tokens_searched) == (2, 1, 10, 4)
    assert (pre.failed_shards, post.failed_shards) == ((failed("pre", 1),), ())


def test_what_is_taken_down_is_no_part_of_what_is_covered():
    less = replace(matches("pre", 1, 2), view_id="a view")
    found = coverage([PRE, POST], Answers((matches("pre", 0, 4), less, matches("post", 0, 10)), ()))
    assert (found.complete, found.share_searched) == (True, 1.0)
    assert [(part.num_tokens, part.tokens_searched) for part in found.corpora] == [(6, 6), (10, 10)]
    found = coverage([PRE], Answers((less,), (failed("pre", 0),)))
    assert (found.complete, found.share_searched) == (False, 2 / 10)


def test_a_shard_lost_after_the_search_leaves_counts_exact():
    answers = Answers((matches("pre", 0, 4), matches("pre", 1, 6), matches("post", 0, 10)), ())
    found = coverage([PRE, POST], answers, [failed("post", 0)])
    assert (found.complete, found.counts_are_lower_bounds, found.share_searched) == (False, False, 1.0)
    assert [part.shards_answered for part in found.corpora] == [2, 0]


def test_failed_shards_are_in_the_order_of_their_numbers_whichever_round_they_failed_in():
    found = coverage([PRE], Answers((matches("pre", 0, 4),), (failed("pre", 1),)), [failed("pre", 0)])
    assert [one.shard.number for one in found.failed_shards] == [0, 1]
    assert found.shards_answered == 0


def test_an_index_without_documents_is_covered_as_soon_as_it_answers():
    nothing = corpus_of("nothing", [[]])
    assert coverage([nothing], Answers((matches("nothing", 0, 0),), ())).share_searched == 1.0
    assert coverage([nothing], Answers((), (failed("nothing", 0),))).share_searched == 0.0
