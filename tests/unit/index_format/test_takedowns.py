"""Takedowns as values: what they take, how they are written, and which hosts a domain concerns."""

import hashlib
import json

import numpy as np
import pytest

from index_format.errors import TakedownError
from index_format.takedowns import (
    ContentTarget,
    DocumentTarget,
    DomainTarget,
    SourceTarget,
    Takedown,
    Target,
    UrlTarget,
    is_at_or_below,
    takedown_from_json,
    takedown_to_json,
    view_id,
)

CONTENT = ContentTarget("ab" * 32, 7)
TARGETS: list[Target] = [
    DocumentTarget("0123456789abcdef", 3, 17, CONTENT),
    DocumentTarget("0123456789abcdef", 0, 0),
    UrlTarget("https://example.org/ä?x=1"),
    DomainTarget("example.org"),
    SourceTarget("wikipedia"),
    CONTENT,
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("index_ids", [(), ("a", "b")])
def test_a_takedown_is_read_as_it_was_written(target: Target, index_ids: tuple[str, ...]) -> None:
    takedown = Takedown("t-1", target, index_ids)
    assert takedown_from_json(json.loads(json.dumps(takedown_to_json(takedown)))) == takedown


@pytest.mark.parametrize(
    ("takedown", "message"),
    [
        ({"id": "a"}, "found none of document, url"),
        ({"id": "a", "url": "x", "domain": "y.org"}, "found domain and url of"),
        ({"id": "a", "newer": 1, "url": "x"}, "unknown field 'newer'"),
        ({"id": "a", "url": "x", "index_ids": "pre"}, "index_ids is no list of names"),
        ({"id": "a", "url": ""}, "url has 0 characters"),
        ({"id": "a", "url": "\ud800"}, "half of a surrogate pair"),
        ({"id": "a", "url": 5}, "the target is a JSON int"),
        ({"id": "a b", "url": "x"}, "letters, digits"),
        ({"url": "x"}, "id is missing"),
        ({"id": "a", "domain": "https://example.org/"}, "expected the name of a host"),
        ({"id": "a", "domain": "."}, "expected the name of a host"),
        ({"id": "a", "content": {"sha256": "AB" * 32, "num_tokens": 1}}, "64 hexadecimal digits"),
        ({"id": "a", "content": {"sha256": "ab" * 32}}, "num_tokens is -1"),
        ({"id": "a", "document": {"index_id": "i", "shard": 0}}, "number is -1"),
        ({"id": "a", "document": {"index_id": "i", "shard": True, "number": 0}}, "shard is True"),
        (7, "a takedown is a JSON int"),
    ],
)
def test_what_is_no_takedown_is_refused_and_said(takedown: object, message: str) -> None:
    with pytest.raises(TakedownError, match=message):
        takedown_from_json(takedown)


def test_a_domain_concerns_itself_and_what_is_below() -> None:
    assert DomainTarget("Bücher.Example.").domain == "xn--bcher-kva.example"
    assert is_at_or_below("example.org", "example.org")
    assert is_at_or_below("a.b.example.org", "example.org")
    assert not is_at_or_below("notexample.org", "example.org")
    assert not is_at_or_below("org", "example.org")


def test_a_view_is_named_after_its_documents() -> None:
    numbers = np.array([1, 5], dtype=np.uint64)
    assert view_id(numbers[:0]) == ""
    assert view_id(numbers) == hashlib.sha256(numbers.tobytes()).hexdigest()[:32]
