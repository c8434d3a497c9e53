"""Names of spans and documents."""

from dataclasses import replace

import pytest

from coordinator.results import Trace
from headwater.labels import covered_share, document_path, document_title, longest, plural, span_labels, trimmed


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
