"""A damaged suffix array may give wrong answers, but never a crash: `verify` is there to find the damage."""

import contextlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from index_format.layout import TABLE
from suffix_engine import EngineError, InvalidQueryError, ShardCorruptError, ShardIndex, ThreadPool
from tests.engine_calls import as_u64, longest_matches
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
DOCUMENTS = [[1, 2, 3, 4, 5, 100 + i] for i in range(16)]
QUERIES = ([1, 2, 3, 4, 5, 130], [1, 2, 3, 4, 5], [5, 104], [3])


@given(st.data())
def test_no_search_or_read_crashes_on_a_damaged_table(tmp_path_factory, data):
    directory = write_shard(tmp_path_factory.mktemp("shard"), DOCUMENTS, 2)
    table = np.fromfile(directory / TABLE, dtype=np.uint8)
    for at in data.draw(st.lists(st.integers(0, len(table) - 1), min_size=1, max_size=8)):
        table[at] = data.draw(st.integers(0, 255))
    table.tofile(directory / TABLE)
    shard = ShardIndex.open(directory, token_width=2, pool=POOL)
    for query in QUERIES:
        start, end = shard.find(query)
        assert 0 <= start <= end <= shard.num_tokens
        assert all(m.count > 0 for m in longest_matches(shard, query, range(len(query)), []))
    removed = sorted(data.draw(st.sets(st.integers(0, len(DOCUMENTS) - 1), min_size=1)))
    with contextlib.suppress(ShardCorruptError):
        view = shard.without(as_u64(removed))
        for query in QUERIES:
            assert all(0 <= m.count <= view.num_tokens for m in longest_matches(view, query, range(len(query)), []))
        view.positions(range(view.num_tokens))
    try:
        shard.verify()
    except EngineError as error:
        assert not isinstance(error, InvalidQueryError)


def test_a_table_that_cuts_a_known_prefix_short_does_not_crash(tmp_path):
    documents = [[1, 2, 3, 4, 5, 100 + i] for i in range(64)]
    directory = write_shard(tmp_path, documents, 2)
    sound = np.fromfile(directory / TABLE, dtype="<u2")
    for rank in range(len(sound)):
        damaged = sound.copy()
        damaged[rank] = 0xFFFF
        damaged.tofile(directory / TABLE)
        shard = ShardIndex.open(directory, token_width=2, pool=POOL)
        for query in QUERIES:
            assert shard.find(query)[1] <= shard.num_tokens
