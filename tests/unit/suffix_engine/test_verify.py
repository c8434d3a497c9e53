import numpy as np
import pytest

from index_format.layout import TABLE, UNIGRAM
from suffix_engine import InvalidQueryError, ShardCorruptError, ShardIndex, ThreadPool, Vocabulary, sort_memory_bytes
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
_TYPES = {1: "u1", 2: "<u2", 4: "<u4"}


def swapped_at_the_front(directory, width, num_equal):
    """Returns a shard with two neighbours in wrong order that agree on ``num_equal`` tokens."""
    # A run of one token: suffix i and i + 1 of it agree up to the end of the text, and the shorter one sorts first.
    write_shard(directory, [[7] * (num_equal + 1)], width)
    table = np.fromfile(directory / TABLE, dtype="u1")
    pointers = table.reshape(num_equal + 2, -1)
    longest = pointers[num_equal].copy()
    pointers[num_equal] = pointers[num_equal - 1]
    pointers[num_equal - 1] = longest
    pointers.tofile(directory / TABLE)
    return ShardIndex.open(directory, token_width=width, pool=POOL)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_order_is_free_among_suffixes_that_agree_on_100_000_bytes(tmp_path, width):
    swapped_at_the_front(tmp_path / "long", width, 100_000 // width + 10).verify()
    with pytest.raises(ShardCorruptError, match="sorts before"):
        swapped_at_the_front(tmp_path / "short", width, 100_000 // width - 10).verify()


def test_a_token_that_the_unigram_file_leaves_out_is_named(tmp_path):
    write_shard(tmp_path, [[1, 2, 3]], 2)
    (tmp_path / UNIGRAM).write_text("1 1\n2 1\n4 1\n65535 1\n")
    with pytest.raises(ShardCorruptError, match="token 3 occurs in the text and is not listed"):
        ShardIndex.open(tmp_path, token_width=2, pool=POOL).verify()


def test_a_pool_of_too_many_threads_is_refused():
    with pytest.raises(InvalidQueryError, match="number of threads 1025 is out of range, expected 0 to 1024"):
        ThreadPool(1025)


def test_decoding_an_id_outside_the_vocabulary_is_the_callers_fault():
    vocabulary = Vocabulary([b"a"], fallback_ids=[], byte_level=True, strip_leading_space=False)
    with pytest.raises(InvalidQueryError, match="token 1 is outside the vocabulary of 1"):
        vocabulary.decode([0, 1])


def test_the_memory_of_sorting_does_not_overflow():
    assert sort_memory_bytes(2**63, 4, 2) == 2**64 - 1
