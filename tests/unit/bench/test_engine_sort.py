"""What our engine's steps take, and how alike neighbours are, on texts that are small enough to know."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from bench.engine_sort import EngineSort, Step, median_of, remove_sorted, sort_with_engine
from bench.neighbours import lcp_counts, mean_lcp, share_of
from index_format.layout import DIRECTORY, FAN_OUT, TABLE, TOKENIZED
from indexing.sorting import plan_sort

SEPARATOR = 65_535
MEMORY = 1 << 30


def write_text(folder: Path, num_documents: int = 300) -> list[tuple[int, ...]]:
    """Returns every suffix to the end of its document, in the order of the table."""
    random = np.random.default_rng(3)
    documents = [random.integers(0, 4, size).tolist() for size in random.integers(5, 40, num_documents)]
    np.array([token for document in documents for token in (SEPARATOR, *document)], dtype="<u2").tofile(
        folder / TOKENIZED
    )
    ends = [SEPARATOR] * (num_documents - 1) + [-1]  # the end of the file sorts before everything
    suffixes = [
        (*document[start:], end)
        for document, end in zip(documents, ends, strict=True)
        for start in range(len(document))
    ]
    return sorted([*suffixes, *([(SEPARATOR,)] * num_documents)])


def lcp(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    if one == other:
        return 255
    return next(length for length, (left, right) in enumerate(zip(one, other, strict=False)) if left != right)


def test_parts_give_the_files_of_one_and_say_what_they_took(tmp_path: Path) -> None:
    write_text(tmp_path)
    num_tokens = (tmp_path / TOKENIZED).stat().st_size // 2
    files, done = [], []
    for parts in (1, 3):
        plan = plan_sort(num_tokens, 2, MEMORY, 1, parts, folder=tmp_path)
        done.append(sort_with_engine(tmp_path, 2, plan, MEMORY))
        files.append([(tmp_path / name).read_bytes() for name in (TABLE, FAN_OUT, DIRECTORY)])
    assert files[0] == files[1]
    one, three = done
    assert (len(one.sorts), one.merge, one.temporary_bytes) == (1, None, 0)
    assert (len(three.sorts), len(three.steps)) == (3, 4)
    assert three.temporary_bytes > num_tokens * 10
    assert all(step.seconds > 0 and step.peak_bytes > 1 << 20 for step in three.steps)
    remove_sorted(tmp_path)
    assert not {TABLE, FAN_OUT, DIRECTORY} & {path.name for path in tmp_path.iterdir()}


def test_neighbours_are_as_alike_as_the_text_says(tmp_path: Path) -> None:
    suffixes = write_text(tmp_path)
    plan = plan_sort(len(suffixes), 2, MEMORY, 1, None, folder=tmp_path)
    sort_with_engine(tmp_path, 2, plan, MEMORY)
    lengths = [0, *(lcp(one, other) for one, other in pairwise(suffixes))]
    counts = lcp_counts(tmp_path, 2)
    assert counts.tolist() == np.bincount(lengths, minlength=256).tolist()
    assert share_of(counts, 6) == np.mean([length >= 6 for length in lengths])
    assert mean_lcp(counts) == np.mean([length for length in lengths if length < 255])


def test_the_median_is_of_each_step_and_the_peak_the_highest() -> None:
    passes = [
        EngineSort((Step(first, peak), Step(2.0, 10)), Step(merge, 20), 100)
        for first, merge, peak in ((1.0, 9.0, 30), (5.0, 3.0, 50), (2.0, 4.0, 40))
    ]
    assert median_of(passes) == EngineSort((Step(2.0, 50), Step(2.0, 10)), Step(4.0, 20), 100)
    assert median_of(passes).seconds == 8.0
    assert median_of(passes).peak_bytes == 50
