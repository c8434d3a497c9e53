"""The engine against brute force: sort, find, longest matches, unigrams, positions, tokens and documents."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import suffix_engine
from tests import oracle
from tests.engine_calls import FoundMatch, as_u32, as_u64, longest_matches, u32, u64
from tests.property.strategies import ALPHABETS, WIDTHS, Corpus, corpora, queries
from tests.tiny_index import write_shard

POOL = suffix_engine.ThreadPool(2)
SEPARATOR_OFFSET = 2**64 - 1
SEPARATOR_TOKEN = 2**32 - 1


@contextmanager
def opened(corpus: Corpus, *, unigrams: bool = True, accelerated: bool = False) -> Iterator[suffix_engine.ShardIndex]:
    """Writes, sorts and opens the corpus as one shard, perhaps with sidecars."""
    with tempfile.TemporaryDirectory() as directory:
        write_shard(Path(directory), corpus.documents, corpus.width, unigrams=unigrams)
        if accelerated:
            suffix_engine.accelerate_shard(directory, token_width=corpus.width, num_threads=1)
        yield suffix_engine.ShardIndex.open(directory, token_width=corpus.width, pool=POOL)


def text_and_table(corpus: Corpus) -> tuple[list[int], list[int]]:
    text = oracle.text_of(corpus.documents, corpus.width)
    return text, oracle.suffix_table(text, corpus.width)


ONE_TOKEN = Corpus(2, (1, 256), ((1,),))
EMPTY_DOCUMENTS = Corpus(2, (1, 256), ((), (), (1,), (), ()))
ONLY_SEPARATORS = Corpus(4, (1, 256), ((), (), ()))
DUPLICATES = Corpus(1, (0, 254), ((0, 254, 0, 254),) * 8)


@given(corpora())
@example(ONE_TOKEN)
@example(EMPTY_DOCUMENTS)
@example(ONLY_SEPARATORS)
@example(DUPLICATES)
def test_sorted_table_is_that_of_the_oracle(corpus: Corpus) -> None:
    text, table = text_and_table(corpus)
    with opened(corpus) as shard:
        assert shard.num_tokens == len(text)
        assert shard.num_documents == len(corpus.documents)
        assert u64(shard.positions(range(len(text)))) == table
        shard.verify()


@pytest.mark.parametrize("num_threads", [1, 2, 5])
@pytest.mark.parametrize("width", WIDTHS)
def test_sorted_table_does_not_depend_on_the_number_of_threads(width: int, num_threads: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(seed=7)
    documents = [generator.choice(ALPHABETS[width], size=size).tolist() for size in (900, 1, 0, 350, 2000)]
    write_shard(tmp_path, documents, width, sort=False)
    suffix_engine.sort_shard(tmp_path, token_width=width, num_threads=num_threads)
    shard = suffix_engine.ShardIndex.open(tmp_path, token_width=width, pool=POOL)
    text = oracle.text_of(documents, width)
    assert u64(shard.positions(range(len(text)))) == oracle.suffix_table(text, width)


@given(st.data())
def test_find_returns_the_ranks_of_the_oracle(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    tokens = data.draw(queries(corpus)).tokens
    text, table = text_and_table(corpus)
    with opened(corpus) as shard:
        assert shard.find([]) == (0, len(text))
        for start in range(len(tokens)):
            for end in range(start + 1, len(tokens) + 1):
                wanted = oracle.find(text, table, tokens[start:end])
                found = shard.find(tokens[start:end])
                assert found == wanted or (found[0] == found[1] and wanted == (0, 0))


@given(st.data())
def test_every_piece_of_every_document_is_found_from_rank_zero_to_the_last(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora(max_documents=3))
    text, table = text_and_table(corpus)
    with opened(corpus) as shard:
        for document in corpus.documents:
            for start in range(len(document)):
                for end in range(start + 1, len(document) + 1):
                    assert shard.find(document[start:end]) == oracle.find(text, table, document[start:end])


@given(st.data())
def test_longest_matches_are_those_of_the_oracle(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    query = data.draw(queries(corpus))
    text, table = text_and_table(corpus)
    with opened(corpus, accelerated=data.draw(st.booleans())) as shard:
        found = longest_matches(shard, query.tokens, query.word_starts, query.cuts)
    allowed = oracle.longest_matches(corpus.documents, query.tokens, query.word_starts, query.cuts)
    wanted = oracle.maximal_in_shard(allowed)
    assert [(m.start, m.end, m.count) for m in found] == [(m.start, m.end, m.count) for m in wanted]
    assert [m.ranks for m in found] == [oracle.find(text, table, query.tokens[m.start : m.end]) for m in wanted]


@given(st.data())
def test_longest_matches_of_a_long_query_with_every_position_a_word_start(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora(max_documents=6))
    tokens = data.draw(queries(corpus, max_tokens=60)).tokens
    with opened(corpus, accelerated=data.draw(st.booleans())) as shard:
        found = longest_matches(shard, tokens, range(len(tokens)), [])
    wanted = oracle.maximal_in_shard(oracle.longest_matches(corpus.documents, tokens, range(len(tokens)), []))
    assert [(m.start, m.end, m.count) for m in found] == [(m.start, m.end, m.count) for m in wanted]


def test_a_match_at_rank_zero_is_found(tmp_path: Path) -> None:
    # The reference system never looks at rank 0 when the query sorts before everything but extends it.
    write_shard(tmp_path, [[0, 5, 9]], 2)
    for accelerated in (False, True):
        if accelerated:
            suffix_engine.accelerate_shard(tmp_path, token_width=2)
        shard = suffix_engine.ShardIndex.open(tmp_path, token_width=2, pool=POOL)
        assert longest_matches(shard, [0, 5, 4], [0, 1, 2], []) == [FoundMatch(0, 2, (0, 1))]


@given(corpora(), st.booleans())
def test_unigram_counts_are_those_of_the_text_with_and_without_the_file(corpus: Corpus, unigrams: bool) -> None:
    ids = ALPHABETS[corpus.width]
    wanted = oracle.unigram_counts(corpus.documents, corpus.width)
    with opened(corpus, unigrams=unigrams) as shard:
        assert u64(shard.unigram_counts(as_u32(ids))) == [wanted[id_] for id_ in ids]


@given(corpora())
@example(EMPTY_DOCUMENTS)
@example(ONLY_SEPARATORS)
def test_every_position_is_located_in_its_document(corpus: Corpus) -> None:
    text = oracle.text_of(corpus.documents, corpus.width)
    with opened(corpus) as shard:
        documents, offsets = map(u64, shard.locate(range(len(text))))
    wanted = [oracle.locate(corpus.documents, position) for position in range(len(text))]
    assert documents == [document for document, _ in wanted]
    assert offsets == [SEPARATOR_OFFSET if offset < 0 else offset for _, offset in wanted]


@given(st.data())
def test_tokens_are_those_of_the_text(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    text = oracle.text_of(corpus.documents, corpus.width)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    separator = oracle.separator(corpus.width)
    with opened(corpus) as shard:
        assert u32(shard.tokens(start, end)) == [
            SEPARATOR_TOKEN if token == separator else token for token in text[start:end]
        ]


REFUSED = {
    "separator": lambda shard, separator: shard.find([1, separator]),
    "separator in a query": lambda shard, separator: longest_matches(shard, [separator], [0], []),
    "word starts out of order": lambda shard, _: longest_matches(shard, [1, 2], [1, 0], []),
    "word start past the query": lambda shard, _: longest_matches(shard, [1, 2], [2], []),
    "cuts out of order": lambda shard, _: longest_matches(shard, [1, 2], [0], [2, 1]),
    "cut at the start": lambda shard, _: longest_matches(shard, [1, 2], [0], [0]),
    "cut past the query": lambda shard, _: longest_matches(shard, [1, 2], [0], [3]),
    "rank": lambda shard, _: shard.positions([6]),
    "position": lambda shard, _: shard.locate([6]),
    "tokens backwards": lambda shard, _: shard.tokens(2, 1),
    "tokens past the end": lambda shard, _: shard.tokens(0, 7),
    "text without a vocabulary": lambda shard, _: shard.document(0, 0, 1),
    "window without a vocabulary": lambda shard, _: shard.windows(as_u64([0]), as_u32([1]), 1, 1),
    "document": lambda shard, _: shard.metadata(2),
    "unigram": lambda shard, separator: shard.unigram_counts(as_u32([separator])),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_out_of_range_is_refused(width: int, what: str, tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 1], [2]], width)
    shard = suffix_engine.ShardIndex.open(tmp_path, token_width=width, pool=POOL)
    with pytest.raises(suffix_engine.InvalidQueryError):
        REFUSED[what](shard, oracle.separator(width))


PARTS = {
    "token_ids has 3 bytes": lambda shard: shard.longest_matches(b"\1\0\0", b"", b""),
    "word_starts has 1 bytes": lambda shard: shard.longest_matches(as_u32([1, 2]), b"\0", b""),
    "cuts has 5 bytes": lambda shard: shard.longest_matches(as_u32([1, 2]), as_u32([0]), b"\1\0\0\0\0"),
    "token_ids has 2 bytes": lambda shard: shard.unigram_counts(b"\1\0"),
    "ranks has 4 bytes": lambda shard: shard.windows(as_u32([0]), as_u32([1]), 1, 1),
    "lengths has 7 bytes": lambda shard: shard.windows(as_u64([0]), b"\0" * 7, 1, 1),
}


@pytest.mark.parametrize("message", PARTS)
def test_a_part_of_an_integer_is_refused(message: str, tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 1], [2]], 2)
    shard = suffix_engine.ShardIndex.open(tmp_path, token_width=2, pool=POOL)
    with pytest.raises(suffix_engine.InvalidQueryError, match=f"{message}, which is no whole number of integers"):
        PARTS[message](shard)


@pytest.mark.parametrize("width", [1, 2])
def test_an_id_wider_than_the_tokens_is_refused(width: int, tmp_path: Path) -> None:
    write_shard(tmp_path, [[1, 2, 1], [2]], width)
    shard = suffix_engine.ShardIndex.open(tmp_path, token_width=width, pool=POOL)
    too_wide = [256**width + 1]
    for call in (
        lambda: shard.find(too_wide),
        lambda: shard.unigram_counts(as_u32(too_wide)),
        lambda: longest_matches(shard, too_wide, [0], []),
    ):
        with pytest.raises(suffix_engine.InvalidQueryError):
            call()
