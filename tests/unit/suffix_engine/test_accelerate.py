"""Building sidecars: whole, stopped and gone on with, with any number of threads."""

import itertools
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from index_format.layout import CORE_FILES, DIRECTORY, FAN_OUT, SIDECARS, TABLE, TOKENIZED, numbered
from suffix_engine import (
    EngineError,
    InvalidQueryError,
    ShardFormatError,
    ShardIndex,
    ThreadPool,
    accelerate_memory_bytes,
    accelerate_shard,
    fan_out_bytes,
)
from tests.engine_calls import longest_matches
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
JOURNAL, PARTIAL = FAN_OUT + ".journal", FAN_OUT + ".partial"
WIDTH = 4
# One thread reports progress about every 400,000 ranks of this width: here three times.
NUM_TOKENS = 900_000


class Stop(Exception):
    """What a test's progress raises."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of some million tokens with its sidecars, built in one go."""
    directory = tmp_path_factory.mktemp("built")
    documents = np.random.default_rng(seed=1).integers(0, 50, size=(20, NUM_TOKENS // 20 - 1)).tolist()
    write_shard(directory, documents, WIDTH, unigrams=False)
    accelerate_shard(directory, token_width=WIDTH, num_threads=2)
    return directory


@pytest.fixture
def plain(built: Path, tmp_path: Path) -> Path:
    """The same shard without sidecars."""
    for name in CORE_FILES:
        if (built / name).exists():
            (tmp_path / name).symlink_to(built / name)
    return tmp_path


def sidecars_of(directory: Path) -> list[bytes]:
    return [(directory / name).read_bytes() for name in SIDECARS]


def is_accelerated(directory: Path) -> bool:
    return ShardIndex.open(directory, token_width=WIDTH, pool=POOL).is_accelerated


def stop_after(num_reports: int, reports: list[int]) -> Callable[[int, int], None]:
    """Returns a progress callback that notes the ranks done and raises at the given report."""

    def report(done: int, total: int) -> None:
        assert total == NUM_TOKENS
        reports.append(done)
        if len(reports) == num_reports:
            raise Stop

    return report


@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_sidecars_do_not_depend_on_the_number_of_threads(built: Path, plain: Path, num_threads: int) -> None:
    reports: list[int] = []
    accelerate_shard(plain, token_width=WIDTH, num_threads=num_threads, progress=stop_after(0, reports))
    assert sidecars_of(plain) == sidecars_of(built)
    assert reports == sorted(set(reports))
    assert reports[-1] == NUM_TOKENS
    assert not {JOURNAL, PARTIAL} & {path.name for path in plain.iterdir()}
    ShardIndex.open(plain, token_width=WIDTH, pool=POOL).verify()


@pytest.mark.parametrize("num_threads", [1, 2])
@pytest.mark.parametrize("num_reports", [1, 2])
def test_a_stopped_call_shows_nothing_and_the_next_goes_on(
    built: Path, plain: Path, num_reports: int, num_threads: int
) -> None:
    before, after = [], []
    with pytest.raises(Stop):
        accelerate_shard(plain, token_width=WIDTH, num_threads=1, progress=stop_after(num_reports, before))
    assert not is_accelerated(plain)
    assert not {*SIDECARS} & {path.name for path in plain.iterdir()}
    accelerate_shard(plain, token_width=WIDTH, num_threads=num_threads, progress=stop_after(0, after))
    assert 0 < before[-1] == after[0]
    assert sidecars_of(plain) == sidecars_of(built)


def test_calls_that_are_stopped_after_every_step_end_with_the_same_files(built: Path, plain: Path) -> None:
    calls: list[list[int]] = []
    while len(calls) < 100:
        # A call that goes on first reports where it begins.
        calls.append([])
        try:
            num_reports = 2 if len(calls) > 1 else 1
            accelerate_shard(plain, token_width=WIDTH, num_threads=1, progress=stop_after(num_reports, calls[-1]))
            break
        except Stop:
            continue
    assert len(calls) > 2
    assert all(later[0] == earlier[-1] for earlier, later in itertools.pairwise(calls))
    assert sidecars_of(plain) == sidecars_of(built)


@pytest.mark.parametrize("journal", ["", "nothing", "1 2 3\n", "-1\n", "1.5\n", "99999999999999999999999\n"])
def test_a_journal_that_says_nothing_is_passed_over(built: Path, plain: Path, journal: str) -> None:
    with pytest.raises(Stop):
        accelerate_shard(plain, token_width=WIDTH, num_threads=1, progress=stop_after(1, []))
    (plain / JOURNAL).write_text(journal)
    accelerate_shard(plain, token_width=WIDTH)
    assert sidecars_of(plain) == sidecars_of(built)


DAMAGES = {
    "its header": lambda content: content.__setitem__(slice(8, 12), b"\2\0\0\0"),
    "all of it": lambda content: content.__setitem__(slice(None), b"\7" * len(content)),
    "its end": lambda content: content.__delitem__(slice(10_000, None)),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_work_of_another_layout_or_size_is_not_gone_on_with(built: Path, plain: Path, what: str) -> None:
    with pytest.raises(Stop):
        accelerate_shard(plain, token_width=WIDTH, num_threads=1, progress=stop_after(1, []))
    change(plain / PARTIAL, DAMAGES[what])
    accelerate_shard(plain, token_width=WIDTH)
    assert sidecars_of(plain) == sidecars_of(built)


def change(path: Path, damage: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)


@pytest.mark.parametrize("what", ["a page", "the journal"])
def test_a_damaged_page_of_the_work_done_is_refused_once(built: Path, plain: Path, what: str) -> None:
    with pytest.raises(Stop):
        accelerate_shard(plain, token_width=WIDTH, num_threads=1, progress=stop_after(1, []))
    if what == "a page":
        change(plain / PARTIAL, lambda content: content.__setitem__(5000, content[5000] ^ 1))
    else:
        (plain / JOURNAL).write_text("99999999\n")  # the pages it speaks of are zeros
    with pytest.raises(ShardFormatError, match=rf"{PARTIAL}.*page"):
        accelerate_shard(plain, token_width=WIDTH)
    assert not is_accelerated(plain)
    accelerate_shard(plain, token_width=WIDTH)
    assert sidecars_of(plain) == sidecars_of(built)


def test_a_journal_whose_fan_out_is_gone_is_passed_over(built: Path, plain: Path) -> None:
    with pytest.raises(Stop):
        accelerate_shard(plain, token_width=WIDTH, num_threads=1, progress=stop_after(1, []))
    (plain / PARTIAL).unlink()
    accelerate_shard(plain, token_width=WIDTH)
    assert sidecars_of(plain) == sidecars_of(built)


def test_the_work_on_another_shard_of_this_size_is_not_gone_on_with(built: Path, plain: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    text = np.fromfile(built / TOKENIZED, dtype="<u4").reshape(20, -1)
    write_shard(other, text[:, :0:-1].tolist(), WIDTH, unigrams=False)
    assert (other / TOKENIZED).stat().st_size == (built / TOKENIZED).stat().st_size
    with pytest.raises(Stop):
        accelerate_shard(other, token_width=WIDTH, num_threads=1, progress=stop_after(2, []))
    for name in (JOURNAL, PARTIAL):
        shutil.copy(other / name, plain)
    accelerate_shard(plain, token_width=WIDTH)
    assert sidecars_of(plain) == sidecars_of(built)


def test_sidecars_that_are_there_are_replaced(built: Path, plain: Path) -> None:
    for name in SIDECARS:
        (plain / name).write_bytes(b"damaged")
    with pytest.raises(Stop):
        accelerate_shard(plain, token_width=WIDTH, num_threads=1, progress=stop_after(1, []))
    assert [(plain / name).read_bytes() for name in SIDECARS] == [b"damaged"] * 2
    accelerate_shard(plain, token_width=WIDTH)
    assert sidecars_of(plain) == sidecars_of(built)


def test_a_shard_that_is_open_stays_as_it_is_while_its_sidecars_are_replaced(built: Path, plain: Path) -> None:
    for name in SIDECARS:
        shutil.copy(built / name, plain)
    shard = ShardIndex.open(plain, token_width=WIDTH, pool=POOL)
    queries = [np.frombuffer(shard.tokens(start, start + 9), dtype="<u4").tolist() for start in range(1, 4000, 500)]
    found = [longest_matches(shard, query, range(9), []) for query in queries]
    accelerate_shard(plain, token_width=WIDTH)
    assert [longest_matches(shard, query, range(9), []) for query in queries] == found


def test_a_shard_can_be_opened_while_its_sidecars_are_replaced(tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 3] * 100], 2)
    accelerate_shard(tmp_path, token_width=2)

    def replace_again_and_again() -> None:
        for _ in range(40):
            accelerate_shard(tmp_path, token_width=2, num_threads=1)

    with ThreadPoolExecutor(1) as executor:
        replacing = executor.submit(replace_again_and_again)
        while not replacing.done():
            shard = ShardIndex.open(tmp_path, token_width=2, pool=POOL)
            assert [m.count for m in longest_matches(shard, [1, 2], [0], [])] == [100]
        replacing.result()
    assert ShardIndex.open(tmp_path, token_width=2, pool=POOL).is_accelerated


def test_a_keyboard_interrupt_comes_out_of_the_call(plain: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        accelerate_shard(plain, token_width=WIDTH, progress=interrupt)
    assert not is_accelerated(plain)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_sizes_are_as_stated(tmp_path: Path, width: int) -> None:
    for num_tokens in (1, 500, 20_000):
        documents = [np.random.default_rng(seed=2).integers(0, 9, size=num_tokens - 1).tolist()]
        directory = write_shard(tmp_path / str(num_tokens), documents, width)
        accelerate_shard(directory, token_width=width)
        assert (directory / FAN_OUT).stat().st_size == fan_out_bytes(num_tokens, width)
        shard = ShardIndex.open(directory, token_width=width, pool=POOL)
        assert 0 < shard.directory_bytes <= shard.memory_bytes
        assert shard.directory_bytes <= (directory / DIRECTORY).stat().st_size <= 4096 + 0.1 * width * num_tokens
        assert accelerate_memory_bytes(num_tokens, width) >= shard.directory_bytes


def test_sizes_of_the_largest_shards_do_not_overflow() -> None:
    for width in (1, 2, 4):
        assert fan_out_bytes(10**12, width) == pytest.approx((1 + width) * 10**12, rel=0.01)
        assert accelerate_memory_bytes(10**12, width) < 0.2 * width * 10**12
        assert fan_out_bytes(2**64 - 1, width) == 2**64 - 1


def test_a_numbered_shard_gets_numbered_sidecars(tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 3, 1, 2]], 2)
    for name in CORE_FILES:
        if (tmp_path / name).exists():
            (tmp_path / name).rename(tmp_path / numbered(name, 7))
    accelerate_shard(tmp_path, token_width=2, number=7)
    assert {numbered(name, 7) for name in SIDECARS} <= {path.name for path in tmp_path.iterdir()}
    shard = ShardIndex.open(tmp_path, token_width=2, pool=POOL, number=7)
    assert shard.is_accelerated
    assert [m.count for m in longest_matches(shard, [1, 2], [0], [])] == [2]


@pytest.mark.parametrize("name", [TOKENIZED, TABLE])
def test_a_shard_without_a_file_it_needs_is_refused(tmp_path: Path, name: str) -> None:
    write_shard(tmp_path, [[1, 2, 3]], 2)
    (tmp_path / name).unlink()
    with pytest.raises(ShardFormatError, match=name):
        accelerate_shard(tmp_path, token_width=2)
    assert not {*SIDECARS, JOURNAL, PARTIAL} & {path.name for path in tmp_path.iterdir()}


def test_widths_and_numbers_of_threads_that_cannot_be_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 3]], 2)
    for call in (
        lambda: accelerate_shard(tmp_path, token_width=3),
        lambda: accelerate_memory_bytes(9, 3),
        lambda: fan_out_bytes(9, 0),
    ):
        with pytest.raises(EngineError, match="token width"):
            call()
    with pytest.raises(InvalidQueryError, match="number of threads"):
        accelerate_shard(tmp_path, token_width=2, num_threads=1025)
