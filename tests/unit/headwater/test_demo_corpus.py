"""The demo's corpus and answer, on the Python that runs the tests."""

import json
import re
import textwrap
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.demo_answer import ANSWER
from headwater.demo_corpus import (
    DOCSTRINGS,
    DOCUMENTATION,
    SOURCES,
    CorpusDocument,
    documents,
    unwrap,
    write_corpus,
)

_WORDS = st.lists(st.text(alphabet="abcde,.", min_size=1, max_size=12), min_size=1, max_size=60)


@pytest.fixture(scope="module")
def corpus() -> list[CorpusDocument]:
    return list(documents())


@given(_WORDS, st.integers(min_value=0, max_value=12))
def test_wrapped_paragraph_becomes_one_line_again(words: list[str], indent: int) -> None:
    margin = " " * indent
    paragraph = margin + " ".join(words)
    assert unwrap(textwrap.fill(paragraph, 70, initial_indent="", subsequent_indent=margin)) == paragraph


def test_word_broken_at_its_hyphen_is_joined_without_a_space() -> None:
    text = "An object is compatible with an exception if the class is a *non-\nvirtual base class* of it."
    assert "a *non-virtual base class* of it." in unwrap(text)


def test_list_item_is_joined_with_its_indented_lines() -> None:
    item = "* " + " ".join(["word"] * 30)
    assert unwrap(textwrap.fill(item, 70, subsequent_indent="  ")) == item


def test_code_and_tables_keep_their_lines() -> None:
    code = "   with A() as a, \\\n        B() as b:\n       SUITE\n   x = 1\n   y = 2"
    assert unwrap(code) == code
    table = "+------+------+\n| a    | b    |\n+------+------+"
    assert unwrap(table) == table


def test_lines_under_headings_are_dropped() -> None:
    assert unwrap("Exceptions\n**********\n\nText.") == "Exceptions\n\nText."


def test_corpus_has_documents_of_all_three_sources(corpus: list[CorpusDocument]) -> None:
    number = Counter(document.source for document in corpus)
    assert number[DOCUMENTATION] >= 70
    assert number[DOCSTRINGS] >= 200
    assert number[SOURCES] >= 200
    assert all(document.text.strip() for document in corpus)


def test_corpus_holds_neither_test_suites_nor_other_packages(corpus: list[CorpusDocument]) -> None:
    parts = {part for document in corpus for part in Path(document.path).parts}
    assert parts.isdisjoint({"test", "tests", "site-packages", "idlelib", "lib2to3", "turtledemo"})


def test_addresses_are_pages_of_the_python_documentation(corpus: list[CorpusDocument]) -> None:
    urls = [document.url for document in corpus if document.url]
    assert len(urls) > 200
    assert all(re.fullmatch(r"https://docs\.python\.org/3/[a-z0-9_/.]+\.html(#[\w-]+)?", url) for url in urls)


def test_answer_shares_long_passages_with_the_documentation(corpus: list[CorpusDocument]) -> None:
    text = "\n".join(document.text for document in corpus if document.source == DOCUMENTATION)
    words = ANSWER.split(" ")
    eights = {i for i in range(len(words) - 7) if " ".join(words[i : i + 8]) in text}
    passages = [i for i in eights if i - 1 not in eights]
    assert len(passages) >= 6


def test_answer_is_about_as_long_as_a_models() -> None:
    assert 220 <= len(ANSWER.split()) <= 320


def test_written_corpus_is_the_same_every_time(tmp_path: Path, corpus: list[CorpusDocument]) -> None:
    seen: list[int] = []
    first = write_corpus(tmp_path / "a.jsonl", seen.append)
    second = write_corpus(tmp_path / "b.jsonl", lambda number: None)
    assert first == second
    assert seen == list(range(1, len(corpus) + 1))
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert len(lines) == first[1] == len(corpus)
    assert set(json.loads(lines[0])) == {"text", "source", "title", "url", "path"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]
