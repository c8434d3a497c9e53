import errno
from pathlib import Path

import pytest

from index_format.layout import METADATA, METAOFF, SIDECARS, UNIGRAM, shard_folder
from indexing.errors import DiskFullError, PlanError
from indexing.statistics import gather_statistics, gathering
from tests.tiny_index import byte_level_tokenizer, write_index

SHARDS = [["the cat sat on the mat", "a dog", "the cat sat on the mat"], ["a dog", "another dog sat", "\u00e9t\u00e9"]]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    tokenizer = byte_level_tokenizer([text for texts in SHARDS for text in texts], vocab_size=300)
    return write_index(tmp_path / "index", SHARDS, tokenizer, accelerated=True)


def test_the_statistics_are_those_of_the_texts(directory: Path, tmp_path: Path) -> None:
    found = gather_statistics(directory, by="source", scratch=tmp_path)
    texts = [text for shard in SHARDS for text in shard]
    assert (found.num_shards, found.num_documents) == (2, 6)
    assert found.lengths.mean * 6 == found.num_tokens - 6
    assert found.tokens is not None
    assert found.tokens.text_bytes == sum(len(text.encode()) for text in texts)
    assert sum(token.count for token in found.tokens.most_frequent) <= found.num_tokens - 6
    assert found.tokens.most_frequent[0].count == max(token.count for token in found.tokens.most_frequent)
    assert all(token.count == 0 for token in found.tokens.unused_examples)
    assert found.tokens.num_unused > 100
    assert (found.duplicates.num_groups, found.duplicates.num_documents) == (2, 2)
    assert [group.beginning for group in found.duplicates.largest] == ["the cat sat on the mat", "a dog"]
    assert found.repeats is not None
    assert found.repeats.ranks_looked_at == found.num_tokens
    assert found.sources is not None
    assert [(row.value, row.num_documents) for row in found.sources.largest] == [("tiny", 6)]
    assert not list(tmp_path.glob("headwater-stats-*"))


def test_processes_of_their_own_count_alike(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = gather_statistics(directory)
    monkeypatch.setattr(gathering, "_SMALL_TOKENS", 0)
    told: list[int] = []

    class Listener(gathering.SilentProgress):
        def advanced(self, amount: int) -> None:
            told.append(amount)

    there = gather_statistics(directory, Listener(), threads=2)
    assert sum(told) == 2 * here.num_tokens
    assert there.duplicates == here.duplicates
    assert (there.repeats, there.sources, there.lengths) == (here.repeats, here.sources, here.lengths)


def test_what_the_files_do_not_tell_is_none(directory: Path) -> None:
    for name in (*SIDECARS, UNIGRAM, METADATA, METAOFF):
        for number in range(2):
            (directory / shard_folder(number) / name).unlink()
    drop_from_manifests(directory)
    found = gather_statistics(directory)
    assert (found.repeats, found.tokens, found.sources) == (None, None, None)
    assert found.duplicates.num_documents == 2


def drop_from_manifests(directory: Path) -> None:
    from dataclasses import replace

    from index_format.manifest import ShardManifest

    for number in range(2):
        folder = directory / shard_folder(number)
        shard = ShardManifest.load(folder)
        replace(shard, files={n: e for n, e in shard.files.items() if (folder / n).exists()}).save(folder)


def test_a_full_disk_says_what_to_do(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gathering, "write_records", full)
    with pytest.raises(DiskFullError, match="choose another folder with --work-dir"):
        gather_statistics(directory)


@pytest.mark.parametrize("sample", [0, 1, 2.5])
def test_a_sample_that_is_no_share_is_refused(directory: Path, sample: float) -> None:
    with pytest.raises(PlanError, match="expected a share above 0 and below 1"):
        gather_statistics(directory, sample=sample)


def test_a_sample_of_a_tiny_index_looks_at_something(directory: Path) -> None:
    found = gather_statistics(directory, sample=0.5, seed=1)
    assert found.repeats is not None
    assert found.repeats.ranks_looked_at > 0
    assert found.sources is not None
    assert found.sources.documents_looked_at > 0
