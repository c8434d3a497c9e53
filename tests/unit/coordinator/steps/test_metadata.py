import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.api.codec import encode_document_text
from coordinator.api.json_codec import dumps
from coordinator.steps.metadata import document_text, parse_metadata, source_of, url_of
from coordinator.values import DocumentId


def test_source_and_url_come_from_the_documents_own_fields():
    line = '{"path": "a.jsonl", "linenum": 3, "metadata": {"source": "wiki", "url": "https://example.org/x"}}'
    metadata = parse_metadata(line)
    assert (source_of(metadata), url_of(metadata)) == ("wiki", "https://example.org/x")


def test_a_document_without_source_is_named_by_its_path():
    assert source_of(parse_metadata('{"path": "a.jsonl", "linenum": 3, "metadata": {}}')) == "a.jsonl"


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://x", "data:text/html,x", 5, None])
def test_only_web_addresses_become_links(url):
    assert url_of({"metadata": {"url": url}}) == ""


@pytest.mark.parametrize("line", ["not json", "[1, 2]", '"text"'])
def test_a_line_that_is_no_object_is_kept_as_it_is(line):
    assert parse_metadata(line) == {"raw": line}
    assert source_of(parse_metadata(line)) == ""


def test_no_metadata_is_an_empty_object():
    assert parse_metadata("") == {}


def test_half_a_surrogate_pair_becomes_a_question_mark_and_whole_pairs_stay():
    parsed = parse_metadata('{"path": "a", "metadata": {"title": "\\ud800 x \\ud83d\\ude80"}}')
    assert parsed["metadata"]["title"] == "? x \U0001f680"


def test_metadata_nested_too_deep_is_kept_as_it_is():
    line = "[" * 100_000
    assert parse_metadata(line) == {"raw": line}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_cannot_write_becomes_null(number):
    assert parse_metadata(f'{{"quality": [{number}, 1.5]}}') == {"quality": [None, 1.5]}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=3),
    max_leaves=8,
)
# What a writer that is no better than Python's puts into a corpus, and any other line.
LINES = st.text() | VALUES.map(json.dumps) | st.dictionaries(st.text(), VALUES, max_size=4).map(json.dumps)


@given(LINES)
def test_a_document_can_be_sent_whatever_its_metadata_line(line):
    document = document_text(DocumentId("pre", 0, 1), "", line, num_tokens=1, start=0, end=1, text="x")
    assert json.loads(dumps(document), parse_constant=pytest.fail)["metadata"] == document.metadata
    assert encode_document_text(document).SerializeToString()
