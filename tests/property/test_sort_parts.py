"""Shards sorted in any number of parts, on any number of threads, against the oracle: the same files, byte for byte.

A failure of a seeded corpus names it; `LargeCorpus(kind, width, seed)` makes it again.
"""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from index_format.layout import TABLE
from suffix_engine import ShardIndex, ThreadPool
from tests import oracle
from tests.property.large_corpora import KINDS, LargeCorpus
from tests.property.sorted_shards import (
    FROM_DISK,
    IN_MEMORY,
    expected_files,
    packed,
    sort_in_parts,
    suffix_table,
    text_of,
)
from tests.property.strategies import ALPHABETS, WIDTHS, Corpus, corpora
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
IS_SLOW = settings.get_current_profile_name() == "slow"
SEEDS = range(20 if IS_SLOW else 1)

ZEROS_AT_THE_END = Corpus(2, (0, 256), ((0, 0, 0, 0, 0), (256, 0, 0), (0, 0, 0, 0, 0, 0, 0)))
ONLY_SEPARATORS = Corpus(4, (1, 256), ((), (), ()))
ONE_SEPARATOR = Corpus(1, (1, 2), ((),))
# Cut in two, each part ends behind "0 0": there the one stops at the part's end, the other before a separator.
PARTS_THAT_END_ALIKE = Corpus(1, (0, 254), ((0, 0), (254, 0, 0), (0, 0), (254, 0, 0)))
# The bytes of a separator, but not where a token begins.
SEPARATORS_ASTRIDE = Corpus(2, (255, 65_280), ((65_280, 255) * 5, (65_280, 65_280, 255, 255), (65_280, 255) * 4))


@st.composite
def similar_documents(draw: st.DrawFn) -> Corpus:
    """Draws documents that share long passages: some equal, some that differ in a token, some cut short."""
    width = draw(st.sampled_from(WIDTHS))
    alphabet = tuple(draw(st.lists(st.sampled_from(ALPHABETS[width]), min_size=1, max_size=3, unique=True)))
    token = st.sampled_from(alphabet)
    templates = draw(st.lists(st.lists(token, min_size=1, max_size=90).map(tuple), min_size=1, max_size=2))
    documents = []
    for _ in range(draw(st.integers(1, 9))):
        document = draw(st.sampled_from(templates))
        changed = draw(st.integers(0, len(document)))
        change = draw(st.sampled_from(["none", "token", "start", "end"]))
        if change == "token":
            document = (*document[:changed], draw(token), *document[changed + 1 :])
        elif change != "none":
            document = document[changed:] if change == "start" else document[:changed]
        documents.append(document)
    return Corpus(width, alphabet, tuple(documents))


@pytest.mark.timeout(900)
@given(
    st.one_of(corpora(), similar_documents()),
    st.integers(1, 9),
    st.integers(1, 3),
    st.sampled_from([FROM_DISK, IN_MEMORY]),
    st.booleans(),
)
@example(ZEROS_AT_THE_END, 1, 1, IN_MEMORY, True)
@example(ZEROS_AT_THE_END, 3, 1, FROM_DISK, True)
@example(ONLY_SEPARATORS, 1, 2, IN_MEMORY, True)
@example(ONLY_SEPARATORS, 9, 2, FROM_DISK, True)
@example(ONE_SEPARATOR, 1, 1, IN_MEMORY, True)
@example(ONE_SEPARATOR, 4, 1, FROM_DISK, True)
@example(PARTS_THAT_END_ALIKE, 2, 1, FROM_DISK, True)
@example(PARTS_THAT_END_ALIKE, 4, 1, IN_MEMORY, True)
@example(SEPARATORS_ASTRIDE, 1, 1, IN_MEMORY, True)
@example(SEPARATORS_ASTRIDE, 3, 1, FROM_DISK, True)
def test_the_files_are_those_of_the_oracle(
    corpus: Corpus, num_parts: int, num_threads: int, memory_bytes: int, accelerate: bool
) -> None:
    text = text_of(corpus.documents, corpus.width)
    table = oracle.suffix_table(text.tolist(), corpus.width)
    with tempfile.TemporaryDirectory() as name:
        expected = expected_files(Path(name, "expected"), text, table)
        found = sort_in_parts(
            Path(name, "found"),
            text,
            num_parts,
            num_threads=num_threads,
            memory_bytes=memory_bytes,
            accelerate=accelerate,
        )
    assert found == (expected if accelerate else {TABLE: expected[TABLE]})


@given(st.one_of(corpora(), similar_documents()))
def test_prefix_doubling_gives_the_table_of_the_oracle(corpus: Corpus) -> None:
    text = text_of(corpus.documents, corpus.width)
    assert suffix_table(text).tolist() == oracle.suffix_table(text.tolist(), corpus.width)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "width"), [*itertools.product(KINDS, WIDTHS)])
def test_the_files_of_some_thousand_tokens_do_not_depend_on_the_parts(kind: str, width: int, tmp_path: Path) -> None:
    for seed in SEEDS:
        corpus = LargeCorpus(kind, width, seed)
        text = text_of(corpus.documents, width)
        expected = expected_files(tmp_path / f"expected_{seed}", text, suffix_table(text))
        for num_parts, num_threads, memory_bytes in [
            (1, 1, IN_MEMORY),
            (1, 2, IN_MEMORY),
            (2, 1, FROM_DISK),
            (3, 2, IN_MEMORY),
            (corpus.number(4, 60), 1, IN_MEMORY),
            (corpus.number(4, 60), 3, FROM_DISK),
        ]:
            folder = tmp_path / f"{seed}_{num_parts}_{num_threads}"
            found = sort_in_parts(folder, text, num_parts, num_threads=num_threads, memory_bytes=memory_bytes)
            assert found == expected, f"{corpus} in {num_parts} parts on {num_threads} threads"


@pytest.mark.parametrize("num_parts", [1, 2, 256])
def test_more_parts_than_documents_are_empty_but_for_some(num_parts: int, tmp_path: Path) -> None:
    text = text_of([[1, 2, 1], [2]], 2)
    table = oracle.suffix_table(text.tolist(), 2)
    assert sort_in_parts(tmp_path, text, num_parts, accelerate=False) == {TABLE: packed(table, 2)}


@pytest.mark.parametrize("num_parts", [1, 5])
@pytest.mark.parametrize("width", WIDTHS)
def test_what_was_sorted_passes_every_check(width: int, num_parts: int, tmp_path: Path) -> None:
    corpus = LargeCorpus("a mixture", width, seed=2)
    write_shard(tmp_path / "shard", corpus.documents, width, sort=False)
    text = text_of(corpus.documents, width)
    sort_in_parts(tmp_path / "sorted", text, num_parts)
    for path in (tmp_path / "sorted").iterdir():
        path.rename(tmp_path / "shard" / path.name)
    shard = ShardIndex.open(tmp_path / "shard", token_width=width, pool=POOL)
    assert shard.is_accelerated
    assert shard.num_tokens == len(text) == np.sum([len(document) + 1 for document in corpus.documents])
    shard.verify()
