from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexing.statistics.document_lengths import count_lengths, lengths_of
from tests.unit.indexing.statistics.brute_force import write


@given(shards=st.lists(st.lists(st.integers(0, 300), min_size=1, max_size=9), min_size=1, max_size=3))
def test_lengths_are_those_of_the_documents(tmp_path_factory: pytest.TempPathFactory, shards: list[list[int]]) -> None:
    folder = tmp_path_factory.mktemp("lengths")
    written = [
        write(folder / str(number), [[1] * length for length in lengths], 2, number)
        for number, lengths in enumerate(shards)
    ]
    found = lengths_of([count_lengths(shard) for shard in written])
    lengths = sorted(length for shard in shards for length in shard)
    assert (found.shortest, found.longest) == (lengths[0], lengths[-1])
    assert found.mean == pytest.approx(sum(lengths) / len(lengths))
    median = lengths[(len(lengths) - 1) // 2]
    assert abs(found.median - median) <= max(0.6, 0.05 * median)
    expected = [sum(length.bit_length() == number for length in lengths) for number in range(10)]
    assert list(found.histogram) == expected[: len(found.histogram)]
    assert sum(found.histogram) == len(lengths)


def test_lengths_are_counted_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexing.statistics.document_lengths.DOCUMENTS_A_BLOCK", 3)
    shard = write(tmp_path, [[1] * length for length in range(1, 11)], 4)
    found = lengths_of([count_lengths(shard)])
    assert (found.mean, found.median, found.longest) == (5.5, 5, 10)
