"""Sidecars beside infini-gram's files: added to what its indexer built, and passed over by its engine."""

import pytest

import indexing
from index_format.layout import SIDECARS, UNIGRAM
from suffix_engine import ShardIndex, ThreadPool
from tests.engine_calls import longest_matches
from tests.interop.infini_gram_reference import Engine, build_shard
from tests.interop.random_corpora import documents_of, queries_of
from tests.property.strategies import WIDTHS

POOL = ThreadPool(2)


@pytest.mark.parametrize("width", WIDTHS)
def test_an_index_that_infini_gram_built_is_accelerated_and_answers_as_before(
    width: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # Not `tmp_path`: infini-gram tells files apart by words in the path, which holds the test's name.
    folder = tmp_path_factory.mktemp("theirs")
    documents = documents_of(1, width, max_documents=60, max_tokens=200)
    build_shard(folder, documents, width)
    if width == 1:
        (folder / UNIGRAM).unlink()  # infini-gram reads it character by character
    plain = ShardIndex.open(folder, token_width=width, pool=POOL)
    indexing.accelerate(folder)
    accelerated = ShardIndex.open(folder, token_width=width, pool=POOL)
    assert (plain.is_accelerated, accelerated.is_accelerated) == (False, True)
    accelerated.verify()
    theirs = Engine([folder], width)
    assert all((folder / name).exists() for name in SIDECARS)
    for query in queries_of(1, documents, width):
        mine, other = (longest_matches(shard, query, range(len(query)), [len(query)]) for shard in (accelerated, plain))
        assert mine == other
        found, [interval] = accelerated.find(query[:3]), theirs.find(query[:3])
        assert found == interval or (found[0] == found[1] and interval[0] == interval[1])
