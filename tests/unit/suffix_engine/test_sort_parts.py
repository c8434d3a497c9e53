"""Sorting in parts: stopped and begun again, runs that are damaged or missing, and what was announced."""

import itertools
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index_format.layout import DIRECTORY, FAN_OUT, SIDECARS, TABLE, TOKENIZED
from suffix_engine import (
    MAX_PARTS,
    InvalidQueryError,
    ShardCorruptError,
    ShardFormatError,
    accelerate_shard,
    longest_part,
    merge_memory_bytes,
    merge_parts,
    run_bytes,
    sort_memory_bytes,
    sort_part,
    sort_shard,
)
from tests import oracle
from tests.tiny_index import write_shard

WIDTH = 2
NUM_PARTS = 3
# A task is some 32,768 suffixes to sort, some 262,144 ranks to merge: each part and the merge report more than once.
NUM_TOKENS = 400_000


class Stop(Exception):
    """What a test's progress raises."""


def run_name(part: int, num_parts: int = NUM_PARTS) -> str:
    return f"sorted_part.{part:03d}-of-{num_parts:03d}"


RUNS = [run_name(part) for part in range(NUM_PARTS)]
SORTED = {TOKENIZED, TABLE, *SIDECARS}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text of documents of different lengths, copies among them."""
    random = np.random.default_rng(seed=5)
    sizes = random.integers(0, 900, size=NUM_TOKENS // 450).tolist()
    documents = [random.integers(0, 40, size=size).tolist() for size in sizes]
    return write_shard(
        tmp_path_factory.mktemp("text"), [*documents, *documents[:50]], WIDTH, unigrams=False, sort=False
    )


@pytest.fixture(scope="module")
def runs(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The text with the runs of its parts."""
    folder = copied(text, tmp_path_factory.mktemp("runs"))
    for part in range(NUM_PARTS):
        sort(folder, part)
    return folder


@pytest.fixture(scope="module")
def files(text: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What sorting has to give: the table, and its sidecars as `accelerate_shard` builds them."""
    folder = copied(text, tmp_path_factory.mktemp("sorted"))
    sort_shard(folder, token_width=WIDTH, num_threads=2)
    accelerate_shard(folder, token_width=WIDTH, num_threads=2)
    return contents(folder)


def copied(source: Path, folder: Path) -> Path:
    for name in (TOKENIZED, *RUNS):
        if (source / name).exists():
            shutil.copy(source / name, folder / name)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in (TABLE, *SIDECARS)}


def sort(
    folder: Path, part: int = 0, num_parts: int = NUM_PARTS, progress: Callable[[int, int], object] | None = None
) -> None:
    sort_part(
        folder,
        token_width=WIDTH,
        part=part,
        num_parts=num_parts,
        num_threads=2,
        accelerate=True,
        progress=progress,
    )


def merge(
    folder: Path,
    num_parts: int = NUM_PARTS,
    memory_bytes: int = 1 << 40,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    merge_parts(
        folder,
        token_width=WIDTH,
        num_parts=num_parts,
        memory_bytes=memory_bytes,
        num_threads=2,
        accelerate=True,
        progress=progress,
    )


def stop_at_once(done: int, total: int) -> None:
    raise Stop


# --- damaged, missing and foreign runs ----------------------------------------------------------------------------


def test_a_missing_run_is_named(runs: Path, tmp_path: Path) -> None:
    copied(runs, tmp_path)
    (tmp_path / RUNS[1]).unlink()
    with pytest.raises(ShardFormatError, match=RUNS[1]):
        merge(tmp_path)
    assert not (tmp_path / TABLE).exists()


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


DAMAGED: dict[str, Callable[[Path], object]] = {
    "a byte of the header": lambda path: flip(path, 20),
    "a byte of the first position": lambda path: flip(path, 64),
    "the last byte": lambda path: flip(path, path.stat().st_size - 1),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-8]),
    "too long": lambda path: path.write_bytes(path.read_bytes() + b"\0" * 8),
    "of another part": lambda path: shutil.copy(path.with_name(RUNS[0]), path),
    "a page of zeros": lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(4096) + path.read_bytes()[8192:]),
}


@pytest.mark.parametrize("memory_bytes", [0, 1 << 40])
@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_run_is_named_and_what_to_do_about_it(
    what: str, memory_bytes: int, runs: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    copied(runs, tmp_path)
    DAMAGED[what](tmp_path / RUNS[1])
    with pytest.raises(ShardFormatError, match=rf"{re.escape(RUNS[1])}: not the run .* remove it"):
        merge(tmp_path, memory_bytes=memory_bytes)
    assert not (tmp_path / TABLE).exists()
    (tmp_path / RUNS[1]).unlink()
    sort(tmp_path, part=1)
    merge(tmp_path, memory_bytes=memory_bytes)
    assert contents(tmp_path) == files


@pytest.mark.parametrize("content", [b"", b"HWSORTED"])
def test_a_run_shorter_than_its_header_is_named(content: bytes, runs: Path, tmp_path: Path) -> None:
    copied(runs, tmp_path)
    (tmp_path / RUNS[2]).write_bytes(content)
    with pytest.raises(ShardFormatError, match=RUNS[2]):
        merge(tmp_path)


def test_a_run_of_another_text_is_refused(runs: Path, tmp_path: Path) -> None:
    copied(runs, tmp_path)
    tokens = np.fromfile(tmp_path / TOKENIZED, dtype="<u2")
    np.append(tokens, tokens[-1]).tofile(tmp_path / TOKENIZED)
    with pytest.raises(ShardFormatError, match=f"{RUNS[0]}: not the run"):
        merge(tmp_path)


# --- stopped, and begun again -------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_parts", [1, NUM_PARTS])
def test_progress_of_sorting_ascends_to_the_tokens_of_the_part(num_parts: int, text: Path, tmp_path: Path) -> None:
    copied(text, tmp_path)
    for part in range(num_parts):
        reports: list[tuple[int, int]] = []
        sort(tmp_path, part, num_parts, lambda done, total, reports=reports: reports.append((done, total)))
        assert len(reports) > 1
        assert all(one[0] < other[0] and one[1] == other[1] for one, other in itertools.pairwise(reports))
        assert reports[-1][0] == reports[-1][1] <= longest_part(tmp_path, token_width=WIDTH, num_parts=num_parts)


def test_progress_of_merging_ascends_to_all_tokens(runs: Path, tmp_path: Path) -> None:
    copied(runs, tmp_path)
    reports: list[tuple[int, int]] = []
    merge(tmp_path, progress=lambda done, total: reports.append((done, total)))
    num_tokens = (tmp_path / TOKENIZED).stat().st_size // WIDTH
    assert len(reports) > 1
    assert all(one[0] < other[0] for one, other in itertools.pairwise(reports))
    assert {total for _, total in reports} == {num_tokens} == {reports[-1][0]}


def test_what_progress_raises_stops_sorting_a_part_and_the_next_call_does_it(
    text: Path, runs: Path, tmp_path: Path
) -> None:
    copied(text, tmp_path)
    with pytest.raises(Stop):
        sort(tmp_path, part=1, progress=stop_at_once)
    assert not (tmp_path / RUNS[1]).exists()
    sort(tmp_path, part=1)
    assert (tmp_path / RUNS[1]).read_bytes() == (runs / RUNS[1]).read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {TOKENIZED, RUNS[1]}


def test_what_progress_raises_stops_sorting_a_shard_and_the_next_call_does_it(
    text: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    copied(text, tmp_path)
    with pytest.raises(Stop):
        sort(tmp_path, num_parts=1, progress=stop_at_once)
    assert not any((tmp_path / name).exists() for name in (TABLE, *SIDECARS))
    sort(tmp_path, num_parts=1)
    assert contents(tmp_path) == files
    assert {path.name for path in tmp_path.iterdir()} == SORTED


def test_what_progress_raises_stops_merging_and_the_next_call_does_it(
    runs: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    copied(runs, tmp_path)
    with pytest.raises(Stop):
        merge(tmp_path, progress=stop_at_once)
    assert not any((tmp_path / name).exists() for name in (TABLE, *SIDECARS))
    assert all((tmp_path / name).exists() for name in RUNS)
    merge(tmp_path)
    assert contents(tmp_path) == files
    assert {path.name for path in tmp_path.iterdir()} == SORTED


def test_a_part_that_is_sorted_is_sorted_again_to_the_same_bytes(runs: Path, tmp_path: Path) -> None:
    copied(runs, tmp_path)
    sort(tmp_path, part=2)
    assert (tmp_path / RUNS[2]).read_bytes() == (runs / RUNS[2]).read_bytes()


def test_a_table_of_before_is_gone_as_soon_as_sorting_writes(
    text: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    # Else one that is stopped would leave the table of another text beside this one.
    copied(text, tmp_path)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Stop):
        sort(tmp_path, num_parts=1, progress=stop_at_once)
    assert not (tmp_path / TABLE).exists()
    assert not (tmp_path / DIRECTORY).exists()


@pytest.mark.parametrize("num_parts", [1, NUM_PARTS])
def test_what_an_attempt_left_is_overwritten(
    num_parts: int, text: Path, runs: Path, files: dict[str, bytes], tmp_path: Path
) -> None:
    copied(text, tmp_path)
    garbage = b"x" * (2 * len(files[FAN_OUT]))
    left = [f"{TABLE}.tmp", f"{FAN_OUT}.tmp", f"{DIRECTORY}.tmp", f"{FAN_OUT}.partial", f"{FAN_OUT}.journal"]
    if num_parts > 1:
        left += [f"{name}.tmp" for name in RUNS]
    for name in left:
        (tmp_path / name).write_bytes(garbage)
    for part in range(num_parts):
        sort(tmp_path, part, num_parts)
    if num_parts > 1:
        assert [(tmp_path / name).read_bytes() for name in RUNS] == [(runs / name).read_bytes() for name in RUNS]
        merge(tmp_path)
    assert contents(tmp_path) == files
    assert {path.name for path in tmp_path.iterdir()} == SORTED


# --- what was announced -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_parts", [1, 2, 3, 7, 40, MAX_PARTS])
def test_the_longest_part_is_that_of_whole_documents_of_about_equal_shares(num_parts: int, tmp_path: Path) -> None:
    random = np.random.default_rng(seed=num_parts)
    documents = [[1] * int(random.integers(0, 60)) for _ in range(200)]
    write_shard(tmp_path, documents, 4, sort=False)
    text = oracle.text_of(documents, 4)
    starts = [position for position, token in enumerate(text) if token == oracle.separator(4)]
    bounds = [
        min((start for start in starts if start >= len(text) * part // num_parts), default=len(text))
        for part in range(num_parts)
    ]
    wanted = max(end - start for start, end in itertools.pairwise([*bounds, len(text)]))
    assert longest_part(tmp_path, token_width=4, num_parts=num_parts) == wanted


def test_a_document_is_not_cut(tmp_path: Path) -> None:
    write_shard(tmp_path, [[1] * 1_000_000, [2, 3]], 2, sort=False)
    assert longest_part(tmp_path, token_width=2, num_parts=9) == 1_000_001


def test_the_bytes_of_a_run_are_those_announced(runs: Path) -> None:
    sizes = [(runs / name).stat().st_size for name in RUNS]
    assert max(sizes) == run_bytes(longest_part(runs, token_width=WIDTH, num_parts=NUM_PARTS))
    assert sum(sizes) / ((runs / TOKENIZED).stat().st_size / WIDTH) < 14.5


def test_more_tokens_wider_ones_and_more_threads_take_more_memory() -> None:
    counts = [0, 1, 1000, 10**6, 10**9, 10**12]
    for call in (
        lambda tokens, width, threads: sort_memory_bytes(tokens, width, threads),
        lambda tokens, width, threads: merge_memory_bytes(tokens, width, 4, threads),
    ):
        for fewer, more in itertools.pairwise(counts):
            assert call(fewer, 2, 1) <= call(more, 2, 1)
            assert call(more, 1, 1) <= call(more, 2, 1) <= call(more, 4, 1)
            assert call(more, 2, 1) < call(more, 2, 2)
    assert merge_memory_bytes(10**6, 2, 4, 1) < merge_memory_bytes(10**6, 2, MAX_PARTS, 1)


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("num_parts", [0, MAX_PARTS + 1])
def test_a_number_of_parts_out_of_range_is_refused(num_parts: int, text: Path) -> None:
    wanted = f"number of parts {num_parts} is out of range, expected 1 to {MAX_PARTS}"
    for call in (
        lambda: sort(text, 0, num_parts),
        lambda: merge(text, num_parts),
        lambda: longest_part(text, token_width=WIDTH, num_parts=num_parts),
    ):
        with pytest.raises(InvalidQueryError, match=wanted):
            call()


def test_a_part_past_the_last_is_refused(text: Path) -> None:
    with pytest.raises(InvalidQueryError, match="part 3 is out of range, expected below 3"):
        sort(text, part=NUM_PARTS)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, TOKENIZED), (b"", "is empty"), (b"\xff\xff\1", "no whole number|not a multiple|3 bytes")],
)
def test_a_text_that_is_none_is_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / TOKENIZED).write_bytes(content)
    for call in (lambda: sort(tmp_path, num_parts=1), lambda: merge(tmp_path), lambda: sort(tmp_path, part=1)):
        with pytest.raises(ShardFormatError, match=message):
            call()


@pytest.mark.parametrize("num_parts", [1, 2])
def test_a_text_that_does_not_begin_with_a_separator_is_refused(num_parts: int, tmp_path: Path) -> None:
    np.array([1, 2, 65_535, 1, 65_535, 1, 65_535, 1], dtype="<u2").tofile(tmp_path / TOKENIZED)
    with pytest.raises(ShardCorruptError, match="does not begin with a separator"):
        sort(tmp_path, num_parts=num_parts)
