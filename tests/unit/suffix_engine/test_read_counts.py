"""Reads that a call asks of the files: equal calls count equal reads, and few of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from coordinator.requests import TraceOptions
from coordinator.steps.tokenize import tokenize
from index_format.layout import DIRECTORY, TOKENIZER_FILE, shard_folder
from index_format.tokenizer import JsonTokenizer
from suffix_engine import ReadCounts, ShardIndex, ThreadPool, Vocabulary, accelerate_shard
from tests.conftest import REPOSITORY
from tests.engine_calls import as_u32, longest_matches, u64, windows
from tests.shared_data import shared_file
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
PAGE_BYTES = 4096
BUDGET = 3.0  # random reads a start, over a set of queries
NUM_WORDS = 3000


def speech(generator: np.random.Generator, num_tokens: int) -> list[int]:
    """Returns tokens that follow one another as words do: few are frequent, and each has its likely followers."""
    rank = 1 + np.arange(NUM_WORDS)
    frequency = 1 / rank / np.sum(1 / rank)
    tokens = generator.choice(NUM_WORDS, size=num_tokens, p=frequency)
    follows = generator.random(num_tokens) < 0.6
    for at in range(1, num_tokens):
        if follows[at]:
            tokens[at] = (tokens[at - 1] * 7 + tokens[at] % 5) % NUM_WORDS
    return tokens.tolist()


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of 200 documents of 300 tokens each, a tenth of them copies, with its sidecars."""
    generator = np.random.default_rng(seed=3)
    documents = [speech(generator, 300) for _ in range(180)]
    documents += documents[:20]
    directory = write_shard(tmp_path_factory.mktemp("spoken"), documents, 2, [{"n": n} for n in range(len(documents))])
    accelerate_shard(directory, token_width=2)
    return directory


def open_shard(directory: Path, *, vocabulary: bool = False) -> ShardIndex:
    pieces = Vocabulary([b"a"] * NUM_WORDS, fallback_ids=[], byte_level=True, strip_leading_space=False)
    return ShardIndex.open(directory, token_width=2, pool=POOL, vocabulary=pieces if vocabulary else None)


def answers() -> list[list[int]]:
    """Returns answers of 400 tokens: as the corpus speaks, with some passages of it."""
    generator = np.random.default_rng(seed=3)
    documents = [speech(generator, 300) for _ in range(180)]
    found = []
    for _ in range(20):
        answer = speech(generator, 400)
        for _ in range(generator.integers(0, 4)):
            length, document = generator.integers(5, 40), documents[generator.integers(180)]
            at, start = generator.integers(0, 400 - length), generator.integers(0, 300 - length)
            answer[at : at + length] = document[start : start + length]
        found.append(answer)
    return found


def search_reads(shard: ShardIndex, tokens: list[int]) -> ReadCounts:
    return shard.longest_matches(as_u32(tokens), as_u32(range(len(tokens))), b"").reads


def counts(reads: ReadCounts) -> tuple[int, int, int, int, int]:
    return (reads.table, reads.fan_out, reads.text, reads.documents, reads.size_bytes)


def num_reads(reads: ReadCounts) -> int:
    assert reads.documents == 0
    return reads.table + reads.fan_out + reads.text


def test_equal_searches_count_equal_reads(spoken: Path) -> None:
    one, other = open_shard(spoken), open_shard(spoken)
    for answer in answers():
        reads = counts(search_reads(one, answer))
        assert reads == counts(search_reads(one, answer)) == counts(search_reads(other, answer))


def test_a_search_takes_at_most_three_reads_a_start(spoken: Path) -> None:
    shard = open_shard(spoken)
    reads = sum(num_reads(search_reads(shard, answer)) for answer in answers())
    starts = sum(map(len, answers()))
    assert reads <= BUDGET * starts
    assert any(m.end - m.start > 10 for answer in answers() for m in longest_matches(shard, answer, range(400), []))


def test_without_sidecars_a_search_reads_the_table_and_the_text_alone(spoken: Path, tmp_path: Path) -> None:
    for path in spoken.iterdir():
        if path.name != DIRECTORY:
            (tmp_path / path.name).symlink_to(path)
    plain, accelerated = open_shard(tmp_path), open_shard(spoken)
    for answer in answers()[:5]:
        reads = search_reads(plain, answer)
        assert (reads.fan_out, reads.documents) == (0, 0)
        assert reads.table == reads.text
        assert num_reads(reads) > 5 * num_reads(search_reads(accelerated, answer))


def test_every_read_is_of_at_least_one_page(spoken: Path) -> None:
    for answer in answers()[:5]:
        reads = search_reads(open_shard(spoken), answer)
        assert reads.size_bytes % PAGE_BYTES == 0
        # An extent of some tokens lies in one page, or in two.
        assert num_reads(reads) <= reads.size_bytes // PAGE_BYTES <= 2 * num_reads(reads)


def test_a_query_that_is_nowhere_to_be_searched_reads_nothing(spoken: Path) -> None:
    found = open_shard(spoken).longest_matches(as_u32([1, 2, 3]), b"", b"")
    assert (found.starts, counts(found.reads)) == (b"", (0, 0, 0, 0, 0))


def ranks_of(shard: ShardIndex, positions: list[int]) -> list[int]:
    """Returns the rank at which each position stands."""
    table = u64(shard.positions(range(shard.num_tokens)))
    return [table.index(position) for position in positions]


def test_windows_read_the_table_for_each_rank_and_the_text_for_each_run(spoken: Path) -> None:
    shard = open_shard(spoken, vocabulary=True)
    # Document d begins with its separator at 301 d. Windows overlap in document 0; one of document 5 stands alone.
    positions = [10, 14, 20, 200, 301 * 5 + 100]
    found, reads = windows(shard, ranks_of(shard, positions), [3] * 5, 8, 4)
    assert [(w.document, w.match_start) for w in found] == [(0, 9), (0, 13), (0, 19), (0, 199), (5, 99)]
    assert (reads.table, reads.text, reads.documents, reads.fan_out) == (5, 3, 2 * 2, 0)
    again = windows(shard, ranks_of(shard, positions[::-1]), [3] * 5, 8, 4)[1]
    assert counts(again) == counts(reads)


def test_windows_inside_a_longer_one_are_read_with_it(spoken: Path) -> None:
    shard = open_shard(spoken, vocabulary=True)
    found, reads = windows(shard, ranks_of(shard, [50, 55, 100]), [200, 3, 3], 8, 4)
    assert [(w.start, w.end) for w in found] == [(41, 257), (46, 65), (91, 110)]
    assert (reads.table, reads.text) == (3, 1)


def test_windows_of_nothing_read_nothing(spoken: Path) -> None:
    found, reads = windows(open_shard(spoken, vocabulary=True), [], [], 8, 4)
    assert (found, counts(reads)) == ([], (0, 0, 0, 0, 0))


def test_real_answers_take_at_most_three_reads_a_start() -> None:
    index = REPOSITORY / ".bench" / "corpus-1"
    folder = index / shard_folder(0)
    if not (folder / DIRECTORY).exists():
        pytest.skip("needs the shared corpus as an index with sidecars, which 'python -m bench' builds")
    tokenizer = JsonTokenizer.from_file(index / TOKENIZER_FILE)
    shard = ShardIndex.open(folder, token_width=2, pool=POOL)
    reads = starts = 0
    for line in shared_file("conversations.jsonl").read_text().splitlines():
        query = tokenize(json.loads(line)["response"], tokenizer, TraceOptions())
        arrays = (query.token_ids, query.word_starts, query.cuts)
        reads += num_reads(shard.longest_matches(*(array.astype("<u4").tobytes() for array in arrays)).reads)
        starts += len(query.word_starts)
    assert reads <= BUDGET * starts
