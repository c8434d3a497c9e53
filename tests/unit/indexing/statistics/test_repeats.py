from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexing.statistics.repeats import REPEAT_LENGTHS, chosen_blocks, count_repeats, ranks_per_page, repeats_of
from tests.unit.indexing.statistics.brute_force import repeats_that_begin, write


def ignore(amount: int) -> None:
    pass


@given(
    documents=st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=12), min_size=1, max_size=8),
    width=st.sampled_from([1, 2, 4]),
)
def test_the_repeats_are_those_of_the_documents(
    tmp_path_factory: pytest.TempPathFactory, documents: list[list[int]], width: int
) -> None:
    counts = count_repeats(write(tmp_path_factory.mktemp("shard"), documents, width), 1.0, 0, ignore)
    assert counts is not None
    expected = repeats_that_begin(documents, 12)
    assert {length: count for length, count in enumerate(counts.begins.tolist()) if count} == dict(expected)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_long_repeats_count_as_255_and_no_repeat_goes_past_a_document(tmp_path: Path, width: int) -> None:
    random = Random(5)
    passage = [random.randrange(200) for _ in range(400)]
    # Over several pages; the last document is cut off by the end of the text.
    documents = [[201, *passage], [202, *passage], *([random.randrange(200) for _ in range(300)] for _ in range(20))]
    documents.append(passage[:300])
    counts = count_repeats(write(tmp_path, documents, width), 1.0, 0, ignore)
    assert counts is not None
    assert sum(map(len, documents)) + len(documents) > 3 * ranks_per_page(width)
    expected = repeats_that_begin(documents, 255)
    assert {length: count for length, count in enumerate(counts.begins.tolist()) if count} == dict(expected)
    assert counts.begins[255] == 2 * (401 - 255) + (301 - 255)


def test_the_shares_are_of_all_positions_over_all_shards(tmp_path: Path) -> None:
    documents = [[1] * 20, list(range(30))]
    counts = [count_repeats(write(tmp_path / str(number), documents, 2), 1.0, 0, ignore) for number in range(2)]
    repeats = repeats_of([count for count in counts if count])
    assert repeats.ranks_looked_at == 104
    assert [share.length for share in repeats.shares] == list(REPEAT_LENGTHS)
    begins = repeats_that_begin(documents, 20)
    at_least_eight = sum(count for length, count in begins.items() if length >= 8)
    assert repeats.shares[0].share == pytest.approx(at_least_eight / 52)
    assert sum(repeats.lcp_histogram) == 104


def test_a_shard_without_sidecars_tells_nothing(tmp_path: Path) -> None:
    shard = write(tmp_path, [[1, 2]], 2)
    plain = type(shard)(tmp_path, 0, 2, shard.num_tokens, 1, is_accelerated=False)
    assert count_repeats(plain, 1.0, 0, ignore) is None


def test_a_sample_is_of_whole_blocks_and_the_same_again() -> None:
    assert chosen_blocks(5, 1.0, "x") == [0, 1, 2, 3, 4]
    assert len(chosen_blocks(1000, 0.01, "x")) == 10
    assert len(chosen_blocks(3, 0.001, "x")) == 1
    assert chosen_blocks(1000, 0.01, "x") == chosen_blocks(1000, 0.01, "x") != chosen_blocks(1000, 0.01, "y")
    assert np.all(np.diff(chosen_blocks(1000, 0.5, "z")) > 0)
