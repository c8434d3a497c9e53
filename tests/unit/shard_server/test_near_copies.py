"""Near copies: which windows are looked up, how many, and what share of them a document holds."""

import struct
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import suffix_engine
from shard_server import near_copies as module
from shard_server.near_copies import NearCopy, near_copies


class Texts:
    """Documents in place of a shard: a rank is a place in the list of what was found last."""

    def __init__(self, documents: Sequence[Sequence[int]]):
        self.documents = documents
        self.asked: list[list[int]] = []
        self.most_read = 0
        self._found: list[int] = []

    def find(self, token_ids: list[int]) -> tuple[int, int]:
        self.asked.append(token_ids)
        length = len(token_ids)
        self._found = [
            number
            for number, document in enumerate(self.documents)
            for start in range(len(document) - length + 1)
            if list(document[start : start + length]) == token_ids
        ]
        return 0, len(self._found)

    def positions(self, ranks: Sequence[int]) -> bytes:
        self.most_read = max(self.most_read, len(ranks))
        return struct.pack(f"<{len(ranks)}Q", *(self._found[rank] for rank in ranks))

    def locate(self, positions: Sequence[int]) -> tuple[bytes, bytes]:
        return struct.pack(f"<{len(positions)}Q", *positions), b""


def copies_in(texts: Texts, *originals: Sequence[int], min_share: float = 0.01) -> list[NearCopy]:
    arrays = [np.array(original, dtype=np.uint32) for original in originals]
    return near_copies(cast(suffix_engine.ShardIndex, texts), arrays, min_share)


@given(length=st.integers(0, 200), kept=st.integers(0, 200))
def test_the_share_is_of_the_windows_that_a_document_holds(length: int, kept: int) -> None:
    original = list(range(length))
    copies = copies_in(Texts([[9_000, *original[:kept], 9_001]]), original)
    starts = range(0, max(1, length - 31), 8) if length else range(0)
    held = [start for start in starts if min(start + 32, length) <= kept]
    assert copies == ([NearCopy(0, len(held) / len(starts))] if held else [])


def test_the_largest_share_comes_first_and_small_ones_are_left_out() -> None:
    original = list(range(100))
    texts = Texts([original[:40], original, original[:70]])
    assert [copy.number for copy in copies_in(texts, original)] == [1, 2, 0]
    assert [copy.number for copy in copies_in(texts, original, min_share=0.5)] == [1, 2]


def test_of_several_originals_the_best_counts_and_each_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_WINDOWS", 10)
    first, second = list(range(1_000)), list(range(2_000, 3_000))
    texts = Texts([first, second[:520]])
    copies = copies_in(texts, first, second)
    assert len(texts.asked) == 10
    assert copies[0] == NearCopy(0, 1.0)
    assert 0.3 < copies[1].share < 0.7
    assert {window[0] for window in texts.asked} >= {0, 968, 2_000, 2_968}


def test_windows_that_repeat_are_looked_up_once_and_few_of_their_occurrences_read() -> None:
    texts = Texts([[7] * 2_000])
    assert copies_in(texts, [7] * 500) == [NearCopy(0, 1.0)]
    assert len(texts.asked) == 1
    assert texts.most_read == module.MAX_OCCURRENCES


def test_a_token_that_the_shard_lacks_is_nowhere() -> None:
    class Refusing(Texts):
        def find(self, token_ids: list[int]) -> tuple[int, int]:
            raise suffix_engine.InvalidQueryError("token id 70000 does not fit")

    assert copies_in(Refusing([]), [70_000] * 40) == []
