"""Names of spans and documents."""

from dataclasses import replace

import pytest

from coordinator.results import CorpusCoverage, Count, Trace, Withheld
from headwater.labels import (
    covered_share,
    describe_corpus,
    describe_searched,
    describe_span,
    describe_withheld,
    document_path,
    document_title,
    longest,
    plain_count,
    plural,
    span_labels,
    trimmed,
)


def test_span_is_labelled_by_its_highlight_and_a_letter_if_it_shares_it(trace: Trace) -> None:
    assert span_labels(trace) == ("1a", "1b", "2", "3")


def test_labels_stay_distinct_past_the_alphabet(trace: Trace) -> None:
    many = tuple(range(60))
    merged = (replace(trace.merged_spans[0], spans=many),)
    labels = span_labels(replace(trace, spans=(trace.spans[0],) * 60, merged_spans=merged))
    assert len(set(labels)) == 60


@pytest.mark.parametrize(
    ("metadata", "title"),
    [
        ({"title": "Lists"}, "Lists"),
        ({"path": "a.txt", "linenum": 4, "metadata": {"title": "Inner"}}, "Inner"),
        ({"path": "a.txt", "linenum": 4, "metadata": {}}, "a.txt:5"),
        ({"path": "a.txt"}, "a.txt"),
        ({"title": "  ", "name": 7}, "https://example.org/lists"),
    ],
)
def test_title_is_the_best_name_in_the_metadata(trace: Trace, metadata: dict, title: str) -> None:
    assert document_title(replace(trace.documents[0], metadata=metadata)) == title


def test_document_without_any_name_is_called_by_its_id(trace: Trace) -> None:
    assert document_title(replace(trace.documents[0], metadata={}, url="")) == "document default:0:0"


def test_path_is_empty_when_the_index_does_not_say(trace: Trace) -> None:
    assert document_path(trace.documents[2]) == ""


def test_what_is_withheld_is_told_in_numbers_and_nothing_is_no_word() -> None:
    assert describe_withheld(Withheld()) == ""
    assert describe_withheld(Withheld(redacted=1)) == "1 placeholder for personal data"
    assert describe_withheld(Withheld(1_200, 3, 2)) == (
        "3 placeholders for personal data, 2 documents withheld, 1,200 occurrences in documents that were taken down"
    )


def test_shares_and_lengths_count_highlights_once(trace: Trace) -> None:
    assert covered_share(trace) == pytest.approx(14 / 28)
    assert covered_share(replace(trace, num_tokens=0)) == 0.0
    assert longest(trace.merged_spans) == 8
    assert longest(()) == 0


def test_plural_follows_the_number() -> None:
    assert (plural(1, "span"), plural(0, "span"), plural(1_204, "span")) == ("1 span", "0 spans", "1,204 spans")


@pytest.mark.parametrize(
    ("passage", "parts"),
    [
        (" a b\n", (" ", "a b", "\n")),
        ("a", ("", "a", "")),
        (" ", ("", "␣", "")),
        (" \n\n ", ("", "␣", "\n\n")),
        ("", ("", "", "")),
    ],
)
def test_passage_is_split_into_white_space_and_what_can_be_seen(passage: str, parts: tuple[str, str, str]) -> None:
    assert trimmed(passage) == parts


def test_count_without_a_shard_is_at_least_so_many(trace: Trace, incomplete_trace: Trace) -> None:
    assert plain_count(Count(2, 1_204, trace.coverage)) == "1204"
    assert plain_count(Count(2, 1_204, incomplete_trace.coverage)) == "at least 1204"
    span = trace.spans[1]
    assert describe_span(span, trace.coverage) == "7 tokens, once in the corpus"
    assert describe_span(span, incomplete_trace.coverage) == "7 tokens, at least once in the corpus"


def test_corpora_are_named_in_the_plural_where_there_are_several(trace_of_two_corpora: Trace) -> None:
    assert describe_span(trace_of_two_corpora.spans[0], trace_of_two_corpora.coverage).endswith(
        "3 times in the corpora"
    )


def test_corpus_of_a_document_is_named_with_its_stage_if_it_has_one(trace: Trace) -> None:
    assert describe_corpus(trace.documents[0]) == "corpus default (pre-training)"
    assert describe_corpus(replace(trace.documents[0], stage="")) == "corpus default"


@pytest.mark.parametrize(
    ("searched", "said"),
    [
        (1_000_000, "1,000,000 tokens in 2 of 2 shards"),
        (999_999, "999,999 of 1,000,000 tokens (99.9%) in 2 of 2 shards"),
        (0, "0 of 1,000,000 tokens (0.0%) in 2 of 2 shards"),
    ],
)
def test_share_that_is_not_all_is_never_said_to_be_all(searched: int, said: str) -> None:
    assert describe_searched((CorpusCoverage("default", "id", 2, 2, 1_000_000, searched, ()),)) == said
