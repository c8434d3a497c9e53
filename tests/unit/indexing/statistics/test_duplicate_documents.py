from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexing.statistics import duplicate_documents
from indexing.statistics.duplicate_documents import (
    BucketDuplicates,
    RecordsWritten,
    all_duplicates,
    find_duplicates,
    num_buckets,
    write_records,
)
from tests.unit.indexing.statistics.brute_force import Document, write


def ignore(amount: int) -> None:
    pass


def duplicates_of(
    folder: Path, shards: Sequence[Sequence[Document]], width: int, buckets: int, share: float = 1.0
) -> tuple[BucketDuplicates, list[RecordsWritten]]:
    written = [write(folder / str(number), shard, width, number) for number, shard in enumerate(shards)]
    records = [write_records(shard, share, buckets, folder, ignore) for shard in written]
    found = [find_duplicates(written, bucket, folder, ignore) for bucket in range(buckets)]
    return all_duplicates(found), records


documents = st.lists(st.lists(st.integers(0, 1), min_size=0, max_size=3), min_size=1, max_size=12)


@given(shards=st.lists(documents, min_size=1, max_size=3), width=st.sampled_from([1, 2, 4]))
def test_the_duplicates_are_those_of_all_shards(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[list[int]]], width: int
) -> None:
    found, records = duplicates_of(tmp_path_factory.mktemp("shards"), shards, width, 4)
    groups = {text: times for text, times in Counter(tuple(d) for shard in shards for d in shard).items() if times > 1}
    assert found.num_groups == len(groups)
    assert found.num_documents == sum(times - 1 for times in groups.values())
    assert found.num_tokens == sum((times - 1) * len(text) for text, times in groups.items())
    assert sum(record.num_documents for record in records) == sum(map(len, shards))
    assert sum(record.num_tokens for record in records) == sum(len(d) for shard in shards for d in shard)
    first = {(group.shard, group.document): group.num_documents for group in found.largest}
    for (shard, document), times in first.items():
        text = tuple(shards[shard][document])
        assert groups[text] == times
        earlier = [d for s in shards[:shard] for d in s] + shards[shard][:document]
        assert list(text) not in earlier


def test_documents_of_one_hash_are_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class SameDigest:
        def __init__(self, content: object, digest_size: int) -> None:
            self.size = digest_size

        def digest(self) -> bytes:
            return b"\7" * self.size

    monkeypatch.setattr(duplicate_documents.hashlib, "blake2b", SameDigest)
    shards = [[[1, 2], [3], [1, 2], [4]], [[3], [5], [1, 2]]]
    found, _ = duplicates_of(tmp_path, shards, 2, 1)
    assert (found.num_groups, found.num_documents, found.num_tokens) == (2, 3, 5)
    assert [(group.shard, group.document, group.num_documents) for group in found.largest] == [(0, 0, 3), (0, 1, 2)]


def test_a_sample_takes_all_of_a_group_or_none(tmp_path: Path) -> None:
    shard = [[number, number] for number in range(1000)] * 3
    found, (records,) = duplicates_of(tmp_path, [shard], 2, 2, share=0.1)
    assert 200 < records.num_documents < 400
    assert records.num_documents % 3 == 0
    assert found.num_groups == records.num_documents // 3
    assert found.num_documents == 2 * found.num_groups


def test_buckets_are_a_power_of_two_and_bounded() -> None:
    assert [num_buckets(number) for number in (0, 1, 4 << 20, (4 << 20) + 1, 3 * (4 << 20))] == [1, 1, 1, 2, 4]
    assert num_buckets(1 << 50) == 4096
