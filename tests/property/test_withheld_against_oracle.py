"""Views of a shard without some of its documents, against brute force that strikes their suffixes off the list."""

import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index_format.layout import TABLE
from suffix_engine import (
    DocumentWithheldError,
    InvalidQueryError,
    ShardCorruptError,
    ShardFormatError,
    ShardIndex,
    ThreadPool,
)
from suffix_engine import accelerate_shard as accelerate
from tests import oracle
from tests.engine_calls import as_u32, as_u64, longest_matches, matches_of, u64
from tests.property.large_corpora import KINDS, LargeCorpus
from tests.property.sorted_shards import packed
from tests.property.sorted_shards import suffix_table as fast_suffix_table
from tests.property.sorted_shards import text_of as fast_text_of
from tests.property.strategies import ALPHABETS, WIDTHS, Corpus, Query, corpora, queries
from tests.tiny_index import write_shard

POOL = ThreadPool(2)
IS_SLOW = settings.get_current_profile_name() == "slow"
ORDERS = ("ours", "foreign")


@dataclass(frozen=True, slots=True)
class Truth:
    """What a view of a shard must answer, from the suffixes of the documents that are left."""

    documents: Sequence[oracle.Document]
    removed: frozenset[int]
    text: Sequence[int]
    table: Sequence[int]

    @property
    def survivors(self) -> list[oracle.Document]:
        return [document for number, document in enumerate(self.documents) if number not in self.removed]

    @property
    def net_table(self) -> list[int]:
        """The positions in the order of the table, those of removed documents struck off."""
        starts = np.cumsum([0, *(len(document) + 1 for document in self.documents)])
        numbers = (np.searchsorted(starts, self.table, side="right") - 1).tolist()
        return [position for position, number in zip(self.table, numbers, strict=True) if number not in self.removed]

    def maximal(self, query: Query) -> list[oracle.Match]:
        found = oracle.longest_matches(self.survivors, query.tokens, query.word_starts, query.cuts)
        return oracle.maximal_in_shard(found)

    def num_removed(self, tokens: Sequence[int]) -> int:
        return oracle.count([self.documents[number] for number in self.removed], tokens)

    def num_elsewhere(self, query: Query) -> int:
        """Returns the occurrences of what is maximal in the whole shard and has no survivor."""
        found = oracle.longest_matches(self.documents, query.tokens, query.word_starts, query.cuts)
        maximal = oracle.maximal_in_shard(found)
        return sum(m.count for m in maximal if m.count == self.num_removed(query.tokens[m.start : m.end]))


def table_of(documents: Sequence[oracle.Document], width: int, order: str) -> tuple[list[int], list[int]]:
    """Returns the text and its table, suffixes that are equal up to a separator in our order or in any."""
    text = oracle.text_of(documents, width)
    if order == "ours":
        return text, oracle.suffix_table(text, width)
    generator = random.Random(len(text))
    ties = [generator.random() for _ in text]
    table = sorted(range(len(text)), key=lambda at: (oracle.suffix_bytes(text, at, width), ties[at]))
    return text, table


@contextmanager
def opened(
    corpus: Corpus, removed: frozenset[int], order: str, *, accelerated: bool
) -> Iterator[tuple[ShardIndex, Truth]]:
    """Writes a shard and opens it whole."""
    text, table = table_of(corpus.documents, corpus.width, order)
    with tempfile.TemporaryDirectory() as directory:
        write_shard(Path(directory), corpus.documents, corpus.width, sort=False, unigrams=accelerated)
        (Path(directory) / TABLE).write_bytes(packed(table, corpus.width))
        if accelerated:
            accelerate(directory, token_width=corpus.width, num_threads=1)
        yield (
            ShardIndex.open(directory, token_width=corpus.width, pool=POOL),
            Truth(corpus.documents, removed, text, table),
        )


def view_of(shard: ShardIndex, removed: frozenset[int]) -> ShardIndex:
    return shard.without(as_u64(sorted(removed)))


def removals(corpus: Corpus) -> st.SearchStrategy[frozenset[int]]:
    return st.frozensets(st.integers(0, len(corpus.documents) - 1))


@given(st.data())
def test_matches_are_those_of_a_shard_that_never_held_the_documents(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    query = data.draw(queries(corpus))
    removed = data.draw(removals(corpus))
    with opened(corpus, removed, data.draw(st.sampled_from(ORDERS)), accelerated=data.draw(st.booleans())) as (
        whole,
        truth,
    ):
        asked = (as_u32(query.tokens), as_u32(query.word_starts), as_u32(query.cuts))
        answer = view_of(whole, removed).longest_matches(*asked)
    found, wanted = matches_of(answer), truth.maximal(query)
    spans = [query.tokens[m.start : m.end] for m in wanted]
    assert [(m.start, m.end, m.count) for m in found] == [(m.start, m.end, m.count) for m in wanted]
    assert [m.ranks for m in found] == [oracle.find(truth.text, truth.net_table, span) for span in spans]
    assert u64(answer.withheld) == [truth.num_removed(span) for span in spans]
    assert answer.withheld_elsewhere == truth.num_elsewhere(query)
    wanted_unigrams = oracle.unigram_counts(truth.survivors, corpus.width)
    assert u64(answer.unigram_counts) == [wanted_unigrams[token] for token in query.tokens]


@given(st.data())
def test_ranks_and_counts_are_those_of_the_survivors(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    tokens = data.draw(queries(corpus)).tokens
    removed = data.draw(removals(corpus))
    with opened(corpus, removed, data.draw(st.sampled_from(ORDERS)), accelerated=data.draw(st.booleans())) as (
        whole,
        truth,
    ):
        view, net_table = view_of(whole, removed), truth.net_table
        assert view.num_tokens == len(net_table)
        assert view.withheld_tokens == whole.num_tokens - len(net_table)
        assert (view.num_documents, view.withheld_documents) == (len(corpus.documents), len(removed))
        assert u64(view.positions(range(len(net_table)))) == net_table
        with pytest.raises(InvalidQueryError, match="rank"):
            view.positions([len(net_table)])
        assert view.find([]) == (0, len(net_table))
        for start in range(len(tokens)):
            for end in range(start + 1, len(tokens) + 1):
                wanted = oracle.find(truth.text, net_table, tokens[start:end])
                found = view.find(tokens[start:end])
                assert found == wanted or (found[0] == found[1] and wanted == (0, 0))
        counts = oracle.unigram_counts(truth.survivors, corpus.width)
        assert u64(view.unigram_counts(as_u32(ALPHABETS[corpus.width]))) == [
            counts[token] for token in ALPHABETS[corpus.width]
        ]


@given(st.data())
def test_a_view_made_of_views_is_the_view_made_at_once(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    query = data.draw(queries(corpus))
    steps = data.draw(st.lists(removals(corpus), min_size=1, max_size=4))
    with opened(corpus, steps[-1], data.draw(st.sampled_from(ORDERS)), accelerated=data.draw(st.booleans())) as (
        whole,
        truth,
    ):
        view = whole
        for removed in steps:
            view = view_of(view, removed)
        net_table = truth.net_table
        assert u64(view.positions(range(len(net_table)))) == net_table
        asked = (query.tokens, query.word_starts, query.cuts)
        assert longest_matches(view, *asked) == longest_matches(view_of(whole, steps[-1]), *asked)
        counts = oracle.unigram_counts(truth.survivors, corpus.width)
        assert u64(view.unigram_counts(as_u32(query.tokens))) == [counts[token] for token in query.tokens]
        again = view_of(view, frozenset())
        assert longest_matches(again, *asked) == longest_matches(whole, *asked)
        assert (again.withheld_documents, again.num_tokens) == (0, whole.num_tokens)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("kind", "width"), [(kind, width) for kind in KINDS for width in WIDTHS])
def test_large_shards_lose_the_suffixes_of_the_documents_and_nothing_else(kind: str, width: int, order: str) -> None:
    for seed in range(5000, 5010 if IS_SLOW else 5001):
        corpus = LargeCorpus(kind, width, seed)
        text = fast_text_of(corpus.documents, width)
        table = fast_suffix_table(text)
        with tempfile.TemporaryDirectory() as directory:
            write_shard(Path(directory), corpus.documents, width, sort=False)
            if order == "foreign":
                table = shuffled_ties(text, table)
            (Path(directory) / TABLE).write_bytes(packed(table, width))
            plain = ShardIndex.open(directory, token_width=width, pool=POOL)
            accelerate(directory, token_width=width, num_threads=1)
            whole = ShardIndex.open(directory, token_width=width, pool=POOL)
            generator = np.random.default_rng(seed)
            for share in (0.05, 0.5):
                removed = frozenset(np.flatnonzero(generator.random(len(corpus.documents)) < share).tolist())
                truth = Truth(corpus.documents, removed, text.tolist(), table.tolist())
                views = [view_of(plain, removed), view_of(whole, removed)]
                for view in views:
                    assert u64(view.positions(range(view.num_tokens))) == truth.net_table, f"{corpus}"
                for _ in range(20):
                    query = corpus.query()
                    asked = (query.tokens, query.word_starts, query.cuts)
                    assert longest_matches(views[0], *asked) == longest_matches(views[1], *asked), f"{corpus}"


def shuffled_ties(text: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Returns the table with suffixes that are equal up to a separator in another order."""
    separators = np.append(np.flatnonzero(text == np.iinfo(text.dtype).max), len(text))
    lengths = separators[np.searchsorted(separators, table)] - table
    # Neighbours of one length that end at a separator are compared; the end of the file is none.
    ends = table + lengths
    generator = np.random.default_rng(len(text))
    shuffled = table.copy()
    first = 0
    for rank in range(1, len(table) + 1):
        is_equal = (
            rank < len(table)
            and lengths[rank] == lengths[first]
            and max(ends[rank], ends[first]) < len(text)
            and bool((text[table[rank] : ends[rank]] == text[table[first] : ends[first]]).all())
        )
        if not is_equal:
            shuffled[first:rank] = generator.permutation(table[first:rank])
            first = rank
    return shuffled


@given(st.data())
def test_a_saved_view_is_the_same_when_it_is_restored(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    query = data.draw(queries(corpus))
    removed = data.draw(removals(corpus)) | {data.draw(st.integers(0, len(corpus.documents) - 1))}
    with opened(corpus, removed, data.draw(st.sampled_from(ORDERS)), accelerated=data.draw(st.booleans())) as (
        whole,
        truth,
    ):
        documents, made = as_u64(sorted(removed)), view_of(whole, removed)
        saved = made.saved_view()
        restored = whole.restored_without(documents, saved)
        assert (restored.withheld_documents, restored.withheld_tokens) == (len(removed), made.withheld_tokens)
        assert u64(restored.positions(range(len(truth.net_table)))) == truth.net_table
        asked = (query.tokens, query.word_starts, query.cuts)
        assert longest_matches(restored, *asked) == longest_matches(made, *asked)
        counts = oracle.unigram_counts(truth.survivors, corpus.width)
        assert u64(restored.unigram_counts(as_u32(query.tokens))) == [counts[token] for token in query.tokens]
        assert restored.saved_view() == saved
        # It is as good a beginning for other views as the one that was saved.
        after = data.draw(removals(corpus))
        net_table = Truth(corpus.documents, after, truth.text, truth.table).net_table
        assert u64(view_of(restored, after).positions(range(len(net_table)))) == net_table
        with pytest.raises(ShardFormatError, match="saved view: it leaves out other documents"):
            whole.restored_without(as_u64(sorted(removed)[1:]), saved)
        damaged = bytearray(saved)
        damaged[data.draw(st.integers(0, len(saved) - 1))] ^= data.draw(st.integers(1, 255))
        cut = saved[: data.draw(st.integers(0, len(saved) - 1))]
        for wrong in (bytes(damaged), cut):
            with pytest.raises(ShardFormatError, match="saved view: "):
                whole.restored_without(documents, wrong)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_saved_view_of_another_shard_is_refused(width: int, tmp_path: Path) -> None:
    shards = []
    for name, documents in (("one", [[1, 2, 1], [2], [3]]), ("other", [[1, 2, 1], [3], [2]])):
        (tmp_path / name).mkdir()
        write_shard(tmp_path / name, documents, width)
        shards.append(ShardIndex.open(tmp_path / name, token_width=width, pool=POOL))
    saved = shards[0].without(as_u64([0])).saved_view()
    assert shards[0].restored_without(as_u64([0]), saved).withheld_tokens == 4
    with pytest.raises(ShardFormatError, match="saved view: it is of another shard or version"):
        shards[1].restored_without(as_u64([0]), saved)
    assert shards[0].saved_view() == b""
    with pytest.raises(ShardFormatError, match="saved view: "):
        shards[0].restored_without(b"", b"")


@pytest.mark.parametrize("width", WIDTHS)
def test_documents_out_of_range_or_order_are_refused(width: int, tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 1], [2]], width)
    shard = ShardIndex.open(tmp_path, token_width=width, pool=POOL)
    for documents, message in (([2], "document 2 is out of range"), ([1, 0], "must ascend"), ([1, 1], "must ascend")):
        with pytest.raises(InvalidQueryError, match=message):
            shard.without(as_u64(documents))
    with pytest.raises(InvalidQueryError, match="documents has 3 bytes"):
        shard.without(b"\1\0\0")


@pytest.mark.parametrize("accelerated", [False, True])
def test_what_asks_for_the_text_of_a_withheld_document_is_refused(accelerated: bool, tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 1], [2], [3]], 2, [{"a": 1}, {"b": 2}, {"c": 3}])
    if accelerated:
        accelerate(tmp_path, token_width=2)
    view = ShardIndex.open(tmp_path, token_width=2, pool=POOL).without(as_u64([1]))
    with pytest.raises(DocumentWithheldError, match="document 1 is withheld"):
        view.metadata(1)
    for start, end in ((4, 6), (0, 8), (5, 6)):
        with pytest.raises(DocumentWithheldError, match="document 1 is withheld"):
            view.tokens(start, end)
    assert view.metadata(0) == '{"a": 1}'
    assert view.metadata(2) == '{"c": 3}'
    assert len(view.tokens(0, 4)) == 4 * 4
    with pytest.raises(InvalidQueryError, match="document 3 is out of range"):
        view.metadata(3)


def test_a_table_that_lacks_a_position_is_told(tmp_path: Path) -> None:
    documents = [[1, 2, 1], [2], [3]]
    write_shard(tmp_path, documents, 2)
    table = oracle.suffix_table(oracle.text_of(documents, 2), 2)
    table[table.index(5)] = 0
    (tmp_path / TABLE).write_bytes(packed(table, 2))
    shard = ShardIndex.open(tmp_path, token_width=2, pool=POOL)
    with pytest.raises(ShardCorruptError, match=r"table\.0: "):
        shard.without(as_u64([1]))
    assert shard.without(as_u64([2])).withheld_tokens == 2
