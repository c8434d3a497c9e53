import json
from pathlib import Path

import numpy as np
import pytest

from index_format.layout import METADATA, METAOFF
from indexing.metadata_check import DOCUMENTS_PER_RUN, all_lines_checked, some_lines_checked

NUM_LINES = 3 * DOCUMENTS_PER_RUN + 5


def write(folder: Path, lines: list[bytes]) -> None:
    (folder / METADATA).write_bytes(b"".join(lines))
    np.cumsum([0, *map(len, lines)])[:-1].astype("<u8").tofile(folder / METAOFF)


def good_lines() -> list[bytes]:
    return [json.dumps({"path": "caf\u00e9", "linenum": number}).encode() + b"\n" for number in range(NUM_LINES)]


def all_of(folder: Path) -> tuple[list[str], int]:
    seen: list[int] = []
    problems = [str(problem) for problem in all_lines_checked(folder, NUM_LINES, seen.append)]
    return problems, sum(seen)


def test_good_lines_have_no_problem_and_all_are_seen(tmp_path: Path) -> None:
    write(tmp_path, good_lines())
    assert all_of(tmp_path) == ([], NUM_LINES)


@pytest.mark.parametrize("line", [b'{"a": NaN}\n', b'{"a": "\\ud800"}\n', b'{"a": 1, "a": 2}\n', b'{"a": 1e999}\n'])
def test_what_one_of_two_parsers_takes_is_taken(tmp_path: Path, line: bytes) -> None:
    write(tmp_path, [line, *good_lines()[1:]])
    assert all_of(tmp_path)[0] == []


def test_every_bad_line_is_named(tmp_path: Path) -> None:
    lines = good_lines()
    lines[3], lines[7], lines[900] = b"{\n", b"[]\n", b"[" * 100_000 + b"\n"
    write(tmp_path, lines)
    problems, seen = all_of(tmp_path)
    assert [problem.split(": ")[0].rsplit(":", 1)[1] for problem in problems] == ["4", "8", "901"]
    assert "expected a JSON object, found list" in problems[1]
    assert seen == NUM_LINES


def test_a_line_too_many_is_told_once(tmp_path: Path) -> None:
    write(tmp_path, [*good_lines(), b"{}\n"])
    problems, _ = all_of(tmp_path)
    assert problems == [f"{tmp_path / METADATA}: {NUM_LINES + 1} lines, expected {NUM_LINES}: one a document"]


def some_of(folder: Path, share: float, seed: int = 1) -> tuple[list[str], int]:
    seen: list[int] = []
    problems = [str(problem) for problem in some_lines_checked(folder, NUM_LINES, share, seed, seen.append)]
    return problems, sum(seen)


@pytest.mark.parametrize("seed", range(4))
def test_a_sample_looks_at_whole_runs(tmp_path: Path, seed: int) -> None:
    write(tmp_path, good_lines())
    problems, seen = some_of(tmp_path, 0.25, seed)
    assert problems == []
    assert seen in (DOCUMENTS_PER_RUN, 5)


def test_a_sample_finds_bad_lines_and_starts_where_it_looks(tmp_path: Path) -> None:
    lines = good_lines()
    lines[0], lines[1], lines[2] = b"{\n", b"{}" + b" \n", b"{} {}\n"
    write(tmp_path, lines)
    starts = np.fromfile(tmp_path / METAOFF, "<u8")
    starts[100] += 1
    starts[200] = 1 << 40
    starts.tofile(tmp_path / METAOFF)
    problems, seen = some_of(tmp_path, 0.999)
    assert seen == NUM_LINES
    documents = [int(problem.split("document ")[1].split(",")[0].split(" ")[0]) for problem in problems]
    assert documents == [0, 2, 99, 100, 199, 200]
    assert f"document 199 is bytes {starts[199]} to {1 << 40}" in problems[4]
