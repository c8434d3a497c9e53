"""Texts of some 100,000 tokens that sorting takes other ways through, each sorted in one part and in several.

The truth is prefix doubling (`sorted_shards`), which `test_sort_parts` holds to the oracle. Sizes refer to numbers in
engine/core/src/sort: a bucket over 2^18 suffixes is dealt out again, a group over 1,024 is dealt by bytes, LCPs are
kept up to 65,534, and a part whose suffixes are alike for too long is sorted by libsais.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.property.sorted_shards import (
    FROM_DISK,
    IN_MEMORY,
    NUMPY_TYPES,
    Tokens,
    expected_files,
    sort_in_parts,
    suffix_table,
    text_of,
)
from tests.property.strategies import ALPHABETS, WIDTHS

Random = np.random.Generator
LARGE_BUCKET = 1 << 18
LONGEST_LCP = 65_534


def common(width: int) -> int:
    """Returns an id whose bytes are those of no other id of the alphabet, and not zeros."""
    return {1: 2, 2: 257, 4: 65_536}[width]


def tokens(random: Random, width: int, size: int, *, share: float = 0.0, id_: int = 0) -> Tokens:
    """Returns random tokens of the alphabet, and besides a share of one id."""
    drawn = random.choice(np.array(ALPHABETS[width], dtype=NUMPY_TYPES[width]), size=size)
    drawn[random.random(size) < share] = id_
    return drawn


def cut(text: Tokens, random: Random, num_documents: int) -> list[Tokens]:
    return np.split(text, np.sort(random.integers(0, len(text), size=num_documents - 1)))


def a_large_bucket(random: Random, width: int) -> list[Tokens]:
    # Two bytes are two tokens of one byte, or half of one of four.
    share = 0.9 if width == 1 else 0.7
    return cut(tokens(random, width, 2 * LARGE_BUCKET, share=share, id_=common(width)), random, 300)


def a_large_bucket_that_the_end_cuts_off(random: Random, width: int) -> list[Tokens]:
    # Zeros are also what stands behind the end of the text.
    documents = cut(tokens(random, width, 2 * LARGE_BUCKET, share=0.9), random, 300)
    return [*documents, np.zeros(40, dtype=NUMPY_TYPES[width])]


def large_groups(random: Random, width: int) -> list[Tokens]:
    start = tokens(random, width, 30)
    return [np.concatenate([start, tokens(random, width, int(random.integers(0, 12)))]) for _ in range(9000)]


def copies(random: Random, width: int) -> list[Tokens]:
    different = cut(tokens(random, width, 15_000), random, 40)
    chosen = random.integers(0, len(different), size=900)
    return [*different, *(different[number] for number in chosen), *cut(tokens(random, width, 5000), random, 9)]


def near_copies(random: Random, width: int) -> list[Tokens]:
    first = tokens(random, width, 4000)
    documents = []
    for _ in range(20):
        document = first.copy()
        for place in random.integers(0, len(document), size=3):
            document[place] = tokens(random, width, 1)[0]
        documents.append(document)
    return documents


def some_near_copies(random: Random, width: int) -> list[Tokens]:
    # Few enough beside the rest that no part is given to libsais.
    documents = cut(tokens(random, width, 200_000), random, 100)
    for _ in range(8):
        first = tokens(random, width, int(random.integers(300, 900)))
        for _ in range(5):
            document = first.copy()
            document[int(random.integers(0, len(document)))] = tokens(random, width, 1)[0]
            documents.insert(int(random.integers(0, len(documents))), document[: int(random.integers(1, 1000))])
    return documents


def many_near_copies(random: Random, width: int) -> list[Tokens]:
    first = tokens(random, width, 700)
    documents = []
    for _ in range(200):
        document = first.copy()
        document[int(random.integers(0, len(document)))] = common(width)
        documents.append(document)
    return documents


def one_token(random: Random, width: int) -> list[Tokens]:
    run = np.full(LONGEST_LCP + 200, common(width), dtype=NUMPY_TYPES[width])
    return [run, run[:-1], run[:7000], tokens(random, width, 50)]


def only_zeros(random: Random, width: int) -> list[Tokens]:
    run = np.zeros(20_000, dtype=NUMPY_TYPES[width])
    return [run[: int(random.integers(0, len(run)))] for _ in range(4)]


def a_period(random: Random, width: int) -> list[Tokens]:
    period = tokens(random, width, 7)
    return [np.tile(period, size)[int(random.integers(0, 7)) :] for size in (900, 1100, 900, 1000)]


def long_passages(random: Random, width: int) -> list[Tokens]:
    # They agree for more tokens than a run tells: the first two in one part, the last in another.
    passage = tokens(random, width, LONGEST_LCP + 20)
    return [np.concatenate([passage, tokens(random, width, size)]) for size in (5, 0, 3)]


def passages_at_255(random: Random, width: int) -> list[Tokens]:
    # Where the LCP of a sidecar ends to count.
    passage = tokens(random, width, 257)
    documents = [
        np.concatenate([passage[:length], tokens(random, width, 2)])
        for length in (253, 254, 255, 256, 257)
        for _ in range(4)
    ]
    others = cut(tokens(random, width, 100_000), random, 50)
    return [*others[:25], *documents, *others[25:]]


def parts_that_end_alike(random: Random, width: int) -> list[Tokens]:
    # Wherever the text is cut, the part ends with the words that documents of other parts go on after.
    start = tokens(random, width, 60)
    return [np.concatenate([start, tokens(random, width, number % 3)]) for number in range(3000)]


def tiny_documents(random: Random, width: int) -> list[Tokens]:
    return [tokens(random, width, int(random.integers(0, 3))) for _ in range(150_000)]


SPECIAL: dict[str, Callable[[Random, int], list[Tokens]]] = {
    function.__name__.replace("_", " "): function
    for function in (
        a_large_bucket,
        a_large_bucket_that_the_end_cuts_off,
        large_groups,
        copies,
        near_copies,
        some_near_copies,
        many_near_copies,
        one_token,
        only_zeros,
        a_period,
        long_passages,
        passages_at_255,
        parts_that_end_alike,
        tiny_documents,
    )
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", SPECIAL)
def test_the_files_are_those_of_prefix_doubling(kind: str, width: int, tmp_path: Path) -> None:
    documents = SPECIAL[kind](np.random.default_rng([width, list(SPECIAL).index(kind)]), width)
    text = text_of(documents, width)
    expected = expected_files(tmp_path / "expected", text, suffix_table(text))
    # From disk such passages are read anew for every suffix of them: too slow for a test.
    last = IN_MEMORY if kind == "long passages" else FROM_DISK
    for num_parts, num_threads, memory_bytes in [(1, 2, IN_MEMORY), (2, 1, IN_MEMORY), (5, 2, last)]:
        folder = tmp_path / str(num_parts)
        found = sort_in_parts(folder, text, num_parts, num_threads=num_threads, memory_bytes=memory_bytes)
        assert found == expected, f"{kind}, width {width}, in {num_parts} parts"
