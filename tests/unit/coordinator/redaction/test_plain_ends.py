"""Plain ends of passages: where they are told, the patterns for halves find nothing."""

import random

import pytest

from coordinator.redaction import cut_words, edges
from coordinator.redaction.plain_ends import ends_plainly, starts_plainly

# What personal data and secrets are made of, and words.
WORDS = (
    *("the", "house", "at", "dot", "t", "of", "s", "I", "name", "example", "com", "org", "qwertyuiopASD"),
    *("Bearer", "basic", "Basic", "password", "token", "key", "api", "secret", "AKIA", "AIza", "eyJ", "hf", "ghp"),
    *("abcdefABCDEF", "sk", "live", "test", "xoxb", "npm", "glpat", "http"),
    *("1", "42", "555", "0049", "2001", "fe80", "127", "é", "ß"),
)
BETWEEN = (
    *(" ",) * 80,
    *(", ",) * 10,
    *("  ", "\n", "\t", "\u00a0", ".", ":", "/", "://", "@", "%40", "(", ")", "[", "]", "{", "}", " (", ") ", " )"),
    *("=", " = ", ": ", "_", "-", "+", "'", '"', "\\n", ""),
)


@pytest.mark.parametrize("text", ["of the first house", "'s of the house", "the city, where it stood", " and so on"])
def test_words_are_a_plain_start(text: str) -> None:
    assert starts_plainly(text)


@pytest.mark.parametrize("text", ["name at ) host (dot) com", "t ] host", "com is", "12 of the house", "é of the day"])
def test_what_may_be_a_rest_is_none(text: str) -> None:
    assert not starts_plainly(text)


@pytest.mark.parametrize("text", ["it was the first house", "in the city, where", "this is it, and I"])
def test_words_are_a_plain_end(text: str) -> None:
    assert ends_plainly(text)


@pytest.mark.parametrize(
    "text", ["key of Bearer abcdefgh", "it is AKIAabcd", "user (at", "see 555", "password = abcdefgh"]
)
def test_what_may_be_a_beginning_is_none(text: str) -> None:
    assert not ends_plainly(text)


def test_where_an_end_is_plain_nothing_is_found() -> None:
    choose = random.Random(0)
    plain_starts = plain_ends = 0
    for _ in range(100_000):
        size = choose.randint(1, 8)
        parts = zip(choose.choices(WORDS, k=size), choose.choices(BETWEEN, k=size), strict=True)
        text = choose.choice(("", "", " ", "'")) + "".join(word + between for word, between in parts)
        text = text if choose.random() < 0.5 else text.rstrip()
        if starts_plainly(text):
            plain_starts += 1
            assert (edges.at_start(text), cut_words.rests(text)) == ([], []), text
        if ends_plainly(text):
            plain_ends += 1
            assert (edges.at_end(text), cut_words.beginnings(text)) == ([], []), text
    assert min(plain_starts, plain_ends) > 1_000


def test_training_is_no_token_and_a_token_is() -> None:
    assert cut_words.beginnings("of their basic training") == []
    for value in ("dXNlcjpwYXNz", "abcdef1", "abcDef"):
        assert [one.start for one in cut_words.beginnings(f"Authorization: Basic {value}")] == [21]
