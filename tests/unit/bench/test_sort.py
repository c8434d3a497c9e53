"""The sort bench compares tables rank by rank, and lets only ties differ."""

import sys
from pathlib import Path

import numpy as np

from bench.process_tree import run_watched
from bench.sort import compare_tables


def write_pointers(path: Path, positions: list[int], width: int, entry_bytes: int = 3) -> Path:
    path.write_bytes(b"".join((position * width).to_bytes(entry_bytes, "little") for position in positions))
    return path


def test_equal_tables_have_no_difference(tmp_path: Path) -> None:
    np.array([65_535, 2, 1], dtype=np.uint16).tofile(tmp_path / "text")
    one, two = (write_pointers(tmp_path / name, [2, 1, 0], 2) for name in ("one", "two"))
    assert compare_tables(one, two, tmp_path / "text", 2) == []


def test_ranks_whose_suffixes_differ_are_named(tmp_path: Path) -> None:
    np.array([65_535, 2, 1], dtype=np.uint16).tofile(tmp_path / "text")
    one, two = write_pointers(tmp_path / "one", [2, 1, 0], 2), write_pointers(tmp_path / "two", [1, 2, 0], 2)
    assert len(compare_tables(one, two, tmp_path / "text", 2)) == 2


def test_tables_of_different_sizes_differ(tmp_path: Path) -> None:
    np.array([65_535, 2, 1], dtype=np.uint16).tofile(tmp_path / "text")
    one, two = write_pointers(tmp_path / "one", [2, 1, 0], 2), write_pointers(tmp_path / "two", [2, 1], 2)
    assert compare_tables(one, two, tmp_path / "text", 2) == ["our table has 9 bytes, theirs 6"]


def test_suffixes_that_agree_on_a_hundred_thousand_bytes_may_stand_in_any_order(tmp_path: Path) -> None:
    np.zeros(200_000, dtype=np.uint8).tofile(tmp_path / "text")
    positions = list(range(200_000))[::-1]
    one = write_pointers(tmp_path / "one", positions, 1)
    swapped = [*positions[:-2], positions[-1], positions[-2]]
    assert compare_tables(one, write_pointers(tmp_path / "two", swapped, 1), tmp_path / "text", 1) == []
    swapped = [positions[1], positions[0], *positions[2:]]
    assert compare_tables(one, write_pointers(tmp_path / "three", swapped, 1), tmp_path / "text", 1)


def test_suffixes_that_are_equal_up_to_a_separator_may_stand_in_any_order(tmp_path: Path) -> None:
    np.array([255, 7, 255, 7, 255, 9], dtype=np.uint8).tofile(tmp_path / "text")
    one = write_pointers(tmp_path / "one", [1, 3, 5, 0, 2, 4], 1)
    assert compare_tables(one, write_pointers(tmp_path / "two", [3, 1, 5, 4, 2, 0], 1), tmp_path / "text", 1) == []
    # "9" and the end is no tie of "7 |".
    [first, second] = compare_tables(
        one, write_pointers(tmp_path / "three", [5, 3, 1, 0, 2, 4], 1), tmp_path / "text", 1
    )
    assert first.startswith("rank 0 ")
    assert second.startswith("rank 2 ")


def test_a_suffix_that_the_end_of_the_text_cuts_off_is_no_tie(tmp_path: Path) -> None:
    np.array([255, 7, 7], dtype=np.uint8).tofile(tmp_path / "text")
    one, two = write_pointers(tmp_path / "one", [2, 1, 0], 1), write_pointers(tmp_path / "two", [1, 2, 0], 1)
    assert len(compare_tables(one, two, tmp_path / "text", 1)) == 2


def test_a_position_that_is_there_twice_is_found_even_among_ties(tmp_path: Path) -> None:
    np.array([255, 7, 255, 7], dtype=np.uint8).tofile(tmp_path / "text")
    one, two = write_pointers(tmp_path / "one", [3, 1, 0, 2], 1), write_pointers(tmp_path / "two", [3, 1, 2, 2], 1)
    assert compare_tables(one, two, tmp_path / "text", 1) == ["the tables do not hold the same positions"]


def test_peak_memory_counts_the_processes_that_a_command_starts(tmp_path: Path) -> None:
    grow = "import time; held = bytearray(b'x') * (64 << 20); time.sleep(1)"
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grow!r}]); print('done')"
    finished = run_watched([sys.executable, "-c", script], {"PATH": "/usr/bin:/bin"}, tmp_path / "log")
    assert finished.output.strip() == "done"
    assert finished.peak_bytes > 64 << 20
    assert finished.seconds > 1
