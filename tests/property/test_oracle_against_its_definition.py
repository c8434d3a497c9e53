"""The oracle's step-by-step rules against the definition of a maximal span: the judge is judged too."""

from hypothesis import given
from hypothesis import strategies as st

from tests import oracle
from tests.property.strategies import Corpus, corpora, queries, splits


def test_suffixes_sort_by_low_byte_first_with_the_end_of_the_file_before_everything() -> None:
    text = oracle.text_of([[1, 256], [255]], width=2)
    assert text == [65_535, 1, 256, 65_535, 255]
    # Low bytes: 256 -> 00, 1 -> 01, then ff: 255 is ff 00, the separators ff ff.
    assert oracle.suffix_table(text, 2) == [2, 1, 4, 0, 3]


def test_suffixes_are_equal_past_a_separator_and_stay_in_the_order_of_their_positions() -> None:
    text = oracle.text_of([[7, 9], [7, 1], [7, 9], [7]], width=1)
    assert text == [255, 7, 9, 255, 7, 1, 255, 7, 9, 255, 7]
    # "1 |" is at 5; "7" and the end at 10, then "7 1 |", then twice "7 9 |"; "9 |" twice, all separators.
    assert oracle.suffix_table(text, 1) == [5, 10, 4, 1, 7, 2, 8, 0, 3, 6, 9]


@given(st.data())
def test_maximal_spans_by_steps_are_those_of_the_definition(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    query = data.draw(queries(corpus))
    allowed = oracle.allowed_spans(corpus.documents, query.tokens, query.word_starts, query.cuts)
    by_definition = [
        (start, end)
        for start, end in allowed
        if not any((s, e) != (start, end) and s <= start and end <= e for s, e in allowed)
    ]
    matches = oracle.longest_matches(corpus.documents, query.tokens, query.word_starts, query.cuts)
    assert [(span.start, span.end) for span in oracle.maximal_spans(matches)] == by_definition


@given(st.data())
def test_count_of_a_piece_is_the_size_of_its_rank_interval(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    tokens = data.draw(queries(corpus)).tokens
    text = oracle.text_of(corpus.documents, corpus.width)
    start, end = oracle.find(text, oracle.suffix_table(text, corpus.width), tokens)
    assert end - start == oracle.count(corpus.documents, tokens)


@given(st.data())
def test_maximal_in_the_only_shard_is_maximal(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    query = data.draw(queries(corpus))
    matches = oracle.longest_matches(corpus.documents, query.tokens, query.word_starts, query.cuts)
    assert oracle.maximal_in_shard(matches) == oracle.maximal_spans(matches)


@given(st.data())
def test_every_shard_that_holds_a_maximal_span_counts_it_among_its_own(data: st.DataObject) -> None:
    corpus: Corpus = data.draw(corpora())
    query = data.draw(queries(corpus))
    asked = (query.tokens, query.word_starts, query.cuts)
    spans = oracle.maximal_spans(oracle.longest_matches(corpus.documents, *asked))
    for documents in data.draw(splits(corpus)):
        found = oracle.maximal_in_shard(oracle.longest_matches(documents, *asked))
        counts = {(m.start, m.end): m.count for m in found}
        for span in spans:
            held = oracle.count(documents, query.tokens[span.start : span.end])
            assert counts.get((span.start, span.end), 0) == held
