"""`ShardIndex.inspect`: every problem and not only the first, of everything or of a seeded sample."""

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest

from index_format.layout import DIRECTORY, FAN_OUT, OFFSET, TABLE, UNIGRAM
from suffix_engine import ShardIndex, ThreadPool, accelerate_shard
from tests.tiny_index import write_shard

POOL = ThreadPool(2)
KINDS = ["documents", "unigram counts", "ranks", "sidecar pages", "positions"]
NUM_DOCUMENTS = 2000


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    random = Random(7)
    documents = [[random.randrange(50) for _ in range(40)] for _ in range(NUM_DOCUMENTS)]
    write_shard(tmp_path, [*documents[:-40], *documents[:40]], 2)
    accelerate_shard(tmp_path, token_width=2)
    return tmp_path


def opened(directory: Path) -> ShardIndex:
    return ShardIndex.open(directory, token_width=2, pool=POOL)


def swap(directory: Path, *ranks: tuple[int, int]) -> None:
    table = entries(directory)
    for left, right in ranks:
        table[[left, right]] = table[[right, left]]
    table.tofile(directory / TABLE)


def entries(directory: Path) -> np.ndarray:
    return np.fromfile(directory / TABLE, dtype="u1").reshape(opened(directory).num_tokens, -1)


def test_a_sound_shard_has_no_problem_and_all_of_it_is_looked_at(directory: Path) -> None:
    told: list[tuple[int, int]] = []
    problems, looked_at = opened(directory).inspect(progress=lambda done, total: told.append((done, total)))
    assert problems == []
    assert [kind for kind, _, _ in looked_at] == KINDS
    assert all(number == total > 0 for _, number, total in looked_at)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("seed", range(5))
def test_a_sample_of_a_sound_shard_has_no_problem_and_says_how_much_it_saw(directory: Path, seed: int) -> None:
    problems, looked_at = opened(directory).inspect(share=0.05, seed=seed)
    assert problems == []
    shares = {kind: number / total for kind, number, total in looked_at}
    assert list(shares) == KINDS
    assert shares["positions"] == pytest.approx(0.05, abs=0.001)
    assert shares["unigram counts"] == pytest.approx(0.05, abs=0.02)
    # Their units are large: one of four or eight.
    assert 0 < shares["documents"] < 0.3
    assert 0 < shares["ranks"] < 0.3


@pytest.mark.parametrize("share", [1e-9, 1.0])
def test_a_shard_of_one_token_is_inspected(tmp_path: Path, share: float) -> None:
    write_shard(tmp_path, [[]], 1)
    assert ShardIndex.open(tmp_path, token_width=1, pool=POOL).inspect(share=share)[0] == []


def test_suffixes_in_wrong_order_are_all_named_and_the_pages_after_them(directory: Path) -> None:
    swap(directory, (10_000, 70_000), (30_000, 60_000))
    problems, _ = opened(directory).inspect(max_problems=100)
    named = [int(found[1]) for problem in problems if (found := re.search(r"at rank (\d+) sorts before", problem))]
    assert named == [10_001, 30_001, 60_000, 70_000]
    is_page = ["does not say what the text does" in problem for problem in problems]
    assert is_page == sorted(is_page)
    assert any(is_page)


def test_no_more_problems_are_listed_than_asked_for(directory: Path) -> None:
    table = entries(directory)
    Random(1).shuffle(table)
    table[::-1].tofile(directory / TABLE)
    for name in (FAN_OUT, DIRECTORY):
        (directory / name).unlink()
    assert len(opened(directory).inspect(max_problems=3)[0]) == 3


def test_a_position_that_stands_at_two_ranks_is_named_though_the_order_is_right(directory: Path) -> None:
    table = entries(directory)
    table[501] = table[500]
    table.tofile(directory / TABLE)
    problems, _ = opened(directory).inspect()
    assert re.search(r"table\.0: position \d+ stands at two ranks, one of them 50[01]", problems[0])
    # Without the sidecars it is the only thing that tells.
    (directory / DIRECTORY).unlink()
    problems, _ = opened(directory).inspect()
    assert len(problems) == 1
    assert "stands at two ranks" in problems[0]


def test_positions_that_are_missing_are_found_by_a_sample_that_looks_for_them(directory: Path) -> None:
    (directory / DIRECTORY).unlink()
    table = entries(directory)
    table[1::2] = table[:-1:2]  # half of the positions are gone, and suffixes are still in order
    table.tofile(directory / TABLE)
    (directory / UNIGRAM).unlink()
    problems, _ = opened(directory).inspect(share=0.001, seed=3)
    assert problems
    assert all(
        re.search(r"position \d+ is at none of the ranks where a search for its suffix leads", problem)
        for problem in problems
    )


def test_equal_suffixes_may_stand_in_any_order(tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 3]] * 500, 2)
    table = np.fromfile(tmp_path / TABLE, dtype="<u2")
    for token in range(1, 4):
        # The last document ends with the text, which sorts first.
        run = np.flatnonzero(np.isin(table // 2 % 4, [token]))[1:]
        table[run] = Random(token).sample(table[run].tolist(), len(run))
    table.tofile(tmp_path / TABLE)
    for share in (1.0, 0.5):
        assert opened(tmp_path).inspect(share=share)[0] == []


def test_wrong_counts_are_all_named_and_a_sample_finds_its_share(directory: Path) -> None:
    lines = (directory / UNIGRAM).read_text().split()
    pairs = list(zip(lines[::2], map(int, lines[1::2]), strict=True))
    changed = [(token, count + (1 if number % 2 else -1)) for number, (token, count) in enumerate(pairs[:50])]
    (directory / UNIGRAM).write_text("".join(f"{token} {count}\n" for token, count in [*changed, *pairs[50:]]))
    assert len(opened(directory).inspect(max_problems=1000)[0]) == 50
    problems, _ = opened(directory).inspect(share=0.2)
    assert 5 <= len(problems) <= 11
    assert all("the text has it" in problem for problem in problems)


def test_tokens_that_the_unigrams_leave_out_are_all_named(tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 3, 1 << 20, 1 << 30]], 4)
    (tmp_path / UNIGRAM).write_text(f"1 1\n2 3\n{1 << 29} 1\n4294967295 1\n")
    problems, _ = ShardIndex.open(tmp_path, token_width=4, pool=POOL).inspect()
    unlisted = [int(found[1]) for problem in problems if (found := re.search(r"token (\d+) occurs in", problem))]
    assert unlisted == [3, 1 << 20, 1 << 30]
    counted = [int(found[1]) for problem in problems if (found := re.search(r"token (\d+) is counted", problem))]
    assert counted == [2, 1 << 29]


def test_a_document_that_starts_elsewhere_is_found(directory: Path) -> None:
    starts = np.fromfile(directory / OFFSET, dtype="<u8")
    starts[[7, 1900]] += 2
    starts.tofile(directory / OFFSET)
    problems, _ = opened(directory).inspect()
    documents = [int(found[1]) for problem in problems if (found := re.search(r"document (\d+) begins", problem))]
    assert documents == [6, 7, 1899, 1900]


def test_a_listener_that_raises_ends_the_inspection(directory: Path) -> None:
    def refuse(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        opened(directory).inspect(progress=refuse)


def test_the_same_seed_looks_at_the_same_and_another_elsewhere(directory: Path) -> None:
    (directory / DIRECTORY).unlink()
    swap(directory, *((rank, rank + 1) for rank in range(0, 80_000, 2)))
    first, again, other = (opened(directory).inspect(share=0.05, seed=seed)[0] for seed in (1, 1, 2))
    assert first == again
    assert first
    assert first != other
