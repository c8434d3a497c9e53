"""Our engine opens the shards that infini-gram's indexer sorts; both tables hold the same intervals.

Ties, suffixes that are equal up to a separator, are ordered by position in our tables, by what follows in theirs.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path

import pytest

import suffix_engine
from index_format.layout import TABLE, UNIGRAM
from tests import oracle
from tests.engine_calls import longest_matches, u64
from tests.interop.infini_gram_reference import Engine, build_shard
from tests.interop.random_corpora import documents_of, queries_of
from tests.property.large_corpora import LargeCorpus
from tests.property.strategies import WIDTHS
from tests.tiny_index import write_shard

POOL = suffix_engine.ThreadPool(2)
SEEDS = range(2)


@pytest.fixture
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    # Not `tmp_path`: infini-gram tells files apart by words in the path, which holds the test's name.
    return tmp_path_factory.mktemp("theirs"), tmp_path_factory.mktemp("ours")


def table_of(shard: suffix_engine.ShardIndex) -> list[int]:
    return u64(shard.positions(range(shard.num_tokens)))


def with_ties_by_position(table: Sequence[int], text: Sequence[int], width: int) -> list[int]:
    """Returns a table with each run of neighbours that are equal up to a separator sorted by position."""
    runs = itertools.groupby(table, key=lambda position: oracle.suffix_bytes(text, position, width))
    return [position for _, run in runs for position in sorted(run)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("width", WIDTHS)
def test_both_tables_answer_every_query_alike(width: int, seed: int, folders: tuple[Path, Path]) -> None:
    documents = documents_of(seed, width, max_documents=40, max_tokens=80)
    theirs = suffix_engine.ShardIndex.open(build_shard(folders[0], documents, width), token_width=width, pool=POOL)
    ours = suffix_engine.ShardIndex.open(write_shard(folders[1], documents, width), token_width=width, pool=POOL)
    assert (folders[0] / TABLE).stat().st_size == (folders[1] / TABLE).stat().st_size
    assert theirs.pointer_width == ours.pointer_width
    theirs.verify()
    text = oracle.text_of(documents, width)
    table = table_of(ours)
    assert table == oracle.suffix_table(text, width)
    assert with_ties_by_position(table_of(theirs), text, width) == table
    for query in queries_of(seed, documents, width):
        mine, other = (longest_matches(shard, query, range(len(query)), [len(query)]) for shard in (ours, theirs))
        assert mine == other
        assert ours.find(query[:3]) == theirs.find(query[:3])


@pytest.mark.parametrize(("kind", "width"), [("near duplicates", 1), ("tiny documents", 2), ("a mixture", 2)])
def test_blind_search_of_their_table_counts_as_their_engine_does(
    kind: str, width: int, folders: tuple[Path, Path]
) -> None:
    corpus = LargeCorpus(kind, width, seed=0)
    folder = build_shard(folders[0], corpus.documents, width)
    (folder / UNIGRAM).unlink()  # infini-gram reads that of bytes character by character
    suffix_engine.accelerate_shard(folder, token_width=width)
    ours = suffix_engine.ShardIndex.open(folder, token_width=width, pool=POOL)
    assert ours.is_accelerated
    ours.verify()
    theirs = Engine([folder], width)
    compared = 0
    for number in range(60):
        query = corpus.query()
        for match in longest_matches(ours, query.tokens, query.word_starts, query.cuts)[:4]:
            assert [match.ranks] == theirs.find(query.tokens[match.start : match.end]), f"{corpus}, query {number}"
            compared += 1
    assert compared > 40


def test_a_text_of_one_token_and_one_of_separators_are_sorted_alike(folders: tuple[Path, Path]) -> None:
    for number, documents in enumerate(([[7]], [[], [], [7], []])):
        folder = build_shard(folders[0] / str(number), documents, 2)
        theirs = suffix_engine.ShardIndex.open(folder, token_width=2, pool=POOL)
        folder = write_shard(folders[1] / str(number), documents, 2)
        ours = suffix_engine.ShardIndex.open(folder, token_width=2, pool=POOL)
        assert with_ties_by_position(table_of(theirs), oracle.text_of(documents, 2), 2) == table_of(ours)
