"""A search of an accelerated index stays within its budget of random reads, and says what it read, over gRPC too."""

import asyncio
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import headwater
import indexing
from coordinator.read_counts import NO_READS, TraceStats
from coordinator.requests import TraceRequest
from index_format.manifest import IndexManifest
from tests import running_servers
from tests.shared_data import shared_file
from tests.tiny_index import byte_level_tokenizer, write_index

BUDGET = 3.0
BENCH_INDEXES = Path(__file__).resolve().parents[2] / ".bench"


def sentences(seed: int, number: int) -> list[str]:
    """Returns documents in which most words follow one of three others, so that passages repeat as in real text."""
    generator = random.Random(seed)
    words = [f"w{index}{'aeiou'[index % 5]}" for index in range(400)]
    followers = {word: random.Random(word).sample(words, 3) for word in words}
    documents = []
    for _ in range(number):
        text = [generator.choice(words)]
        for _ in range(generator.randrange(20, 400)):
            text.append(generator.choice(followers[text[-1]] if generator.random() < 0.95 else words))
        documents.append(" ".join(text) + ".")
    return documents


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    shards = [sentences(shard, 150) for shard in range(3)]
    tokenizer = byte_level_tokenizer([text for shard in shards for text in shard[:20]], 1_000)
    return write_index(tmp_path_factory.mktemp("budget") / "index", shards, tokenizer)


@pytest.fixture(scope="module")
def accelerated(plain: Path) -> Path:
    copied = Path(shutil.copytree(plain, plain.parent / "accelerated"))
    indexing.accelerate(copied)
    return copied


@pytest.fixture(scope="module", params=["corpus-1", "corpus-4"])
def shared_index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The indexed shared corpus with sidecars, left as it is: what it has is linked into a directory of our own."""
    original = BENCH_INDEXES / request.param
    if not (original / "index.json").is_file():
        pytest.skip(f"needs the shared corpus, indexed by the benches in {original}")
    linked = tmp_path_factory.mktemp("shared") / request.param
    shutil.copytree(original, linked, copy_function=os.symlink)
    if not all(shard.is_accelerated for shard in IndexManifest.load(linked).load_shards(linked)):
        indexing.accelerate(linked)
    return linked


@pytest.fixture
def answers() -> Iterator[str]:
    return iter(sentences(99, 20))


def stats_of(directory: Path, texts: list[str]) -> list[TraceStats]:
    with headwater.open(directory) as index:
        return [index.trace(text).stats for text in texts]


def mean_reads(stats: list[TraceStats], num_shards: int) -> float:
    """Returns the reads of the search a suffix and shard, over all traces."""
    return sum(each.search_reads.total for each in stats) / (num_shards * sum(each.suffixes for each in stats))


def test_a_tiny_accelerated_index_is_searched_within_the_budget(accelerated: Path, answers: Iterator[str]) -> None:
    stats = stats_of(accelerated, list(answers))
    assert 1.0 < mean_reads(stats, 3) <= BUDGET
    assert all(each.search_reads.fan_out > 0 and each.search_reads.text > 0 for each in stats)
    assert all(each.search_reads.size_bytes >= 4096 * each.search_reads.total / 2 for each in stats)


def test_an_index_without_sidecars_reads_more(plain: Path, accelerated: Path, answers: Iterator[str]) -> None:
    texts = list(answers)
    slow, fast = stats_of(plain, texts), stats_of(accelerated, texts)
    assert mean_reads(slow, 3) > 3 * mean_reads(fast, 3)
    assert all(each.search_reads.fan_out == 0 for each in slow)


def test_the_shared_corpus_is_searched_within_the_budget(shared_index: Path) -> None:
    lines = shared_file("conversations.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["response"] for line in lines]
    assert mean_reads(stats_of(shared_index, texts), IndexManifest.load(shared_index).num_shards) <= BUDGET


def test_the_mean_is_that_of_the_trace(accelerated: Path, answers: Iterator[str]) -> None:
    for stats in stats_of(accelerated, list(answers)):
        assert stats.reads_per_suffix == pytest.approx(mean_reads([stats], 3))


def test_equal_requests_read_equally_over_grpc_too(accelerated: Path, answers: Iterator[str], tmp_path: Path) -> None:
    texts = list(answers)
    embedded = stats_of(accelerated, texts)
    assert embedded == stats_of(accelerated, texts)

    async def served() -> list[TraceStats]:
        async with (
            running_servers.shard_server(accelerated) as address,
            running_servers.coordinator(tmp_path, accelerated, [address] * 3) as coordinator,
        ):
            return [(await coordinator.trace(TraceRequest(text))).stats for text in texts]

    assert asyncio.run(served()) == embedded
    assert all(each.retrieval_reads != NO_READS for each in embedded)
