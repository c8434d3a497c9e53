import enum
import random
from collections import OrderedDict
from dataclasses import fields, replace
from typing import Any

import pytest

from coordinator.admission.result_cache import ResultCache, cache_key
from coordinator.requests import SpanRanking, TraceOptions, TraceRequest

GENERATION = (("pre", "pre-training", "1f", ""), ("post", "post-training", "2e", ""))
REQUEST = TraceRequest("an answer", "a prompt", corpora=("pre", "post"))
ENTRY = 256


class Seen:
    def __init__(self) -> None:
        self.size_bytes = 0
        self.num_evicted = 0

    def cache_changed(self, size_bytes: int, num_evicted: int) -> None:
        self.size_bytes = size_bytes
        self.num_evicted += num_evicted


def changed(value: Any) -> Any:
    """Returns another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, enum.Enum):
        return next(each for each in type(value) if each is not value)
    if isinstance(value, int | float):
        return value / 2 if isinstance(value, float) else value + 1
    if isinstance(value, str):
        return value + "!"
    if isinstance(value, tuple):
        return value[:1] if value else ("x",)
    raise AssertionError(f"teach this test to change a {type(value).__name__}")


@pytest.mark.parametrize("name", [field.name for field in fields(TraceOptions)])
def test_every_option_changes_the_key(name: str) -> None:
    options = replace(REQUEST.options, **{name: changed(getattr(REQUEST.options, name))})
    assert options != REQUEST.options
    assert cache_key(GENERATION, replace(REQUEST, options=options)) != cache_key(GENERATION, REQUEST)


@pytest.mark.parametrize("name", [field.name for field in fields(TraceRequest) if field.name != "options"])
def test_every_field_of_a_request_changes_the_key(name: str) -> None:
    request = replace(REQUEST, **{name: changed(getattr(REQUEST, name))})
    assert cache_key(GENERATION, request) != cache_key(GENERATION, REQUEST)


def test_equal_requests_have_equal_keys() -> None:
    again = TraceRequest("an " + "answer", "a prompt", TraceOptions(seed=42), ("pre", "post"))
    assert cache_key(tuple(GENERATION), again) == cache_key(list(GENERATION), REQUEST)


@pytest.mark.parametrize(
    "generation",
    [
        (("pre", "pre-training", "1f", ""), ("post", "post-training", "2f", "")),
        (("pre", "pre-training", "1f", ""), ("post", "other", "2e", "")),
        (("pre", "pre-training", "1f", ""), ("posts", "post-training", "2e", "")),
        (("pre", "pre-training", "1f", ""),),
        (("pre", "pre-training", "1f", "1:takedowns"), ("post", "post-training", "2e", "1:takedowns")),
        (("post", "post-training", "2e", ""), ("pre", "pre-training", "1f", "")),
    ],
)
def test_another_generation_has_other_keys(generation: tuple[tuple[str, str, str, str], ...]) -> None:
    assert cache_key(generation, replace(REQUEST, corpora=())) != cache_key(GENERATION, replace(REQUEST, corpora=()))


def test_a_corpus_that_was_not_asked_does_not_change_the_key() -> None:
    swapped = (GENERATION[0], ("post", "post-training", "3c", ""))
    of_one = replace(REQUEST, corpora=("pre",))
    assert cache_key(swapped, of_one) == cache_key(GENERATION, of_one)


def test_texts_that_read_alike_when_put_together_have_different_keys() -> None:
    pairs = [("ab", "c"), ("a", "bc"), ("abc", ""), ("', prompt='", ""), ("", "', prompt='"), ("a\ud800", "")]
    keys = {cache_key((), TraceRequest(answer, prompt)) for answer, prompt in pairs}
    assert len(keys) == len(pairs)


def test_span_rankings_are_told_apart() -> None:
    keys = {cache_key((), TraceRequest("a", options=TraceOptions(span_ranking=each))) for each in SpanRanking}
    assert len(keys) == len(SpanRanking)


def test_what_was_put_is_found_and_the_longest_unused_goes_first() -> None:
    seen = Seen()
    cache = ResultCache(10 * (100 + ENTRY), seen)
    keys = [bytes([number]) for number in range(11)]
    for key in keys[:10]:
        cache.put(key, key * 100)
    assert cache.get(keys[0]) == keys[0] * 100
    assert (seen.num_evicted, seen.size_bytes) == (0, 10 * (100 + ENTRY))
    cache.put(keys[10], keys[10] * 100)
    assert cache.get(keys[1]) is None
    assert cache.get(keys[0]) == keys[0] * 100
    assert seen.num_evicted == 1


def test_an_answer_that_is_put_again_is_counted_once() -> None:
    cache = ResultCache(100_000, Seen())
    for size in (100, 5_000, 300):
        cache.put(b"key", bytes(size))
    assert (len(cache), cache.size_bytes) == (1, 300 + ENTRY)


def test_an_answer_that_would_take_more_than_an_eighth_is_not_kept() -> None:
    cache = ResultCache(8 * 1000, Seen())
    cache.put(b"large", bytes(1000 - ENTRY + 1))
    assert cache.get(b"large") is None
    cache.put(b"fits", bytes(1000 - ENTRY))
    assert cache.get(b"fits") == bytes(1000 - ENTRY)


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    cache = ResultCache(0, Seen())
    cache.put(b"key", b"")
    assert cache.get(b"key") is None
    assert not cache.is_on


@pytest.mark.parametrize("seed", range(10))
def test_under_any_load_the_bytes_stay_within_the_bound_and_the_contents_right(seed: int) -> None:
    chance, seen = random.Random(seed), Seen()
    max_bytes = chance.randint(1_000, 50_000)
    cache = ResultCache(max_bytes, seen)
    latest: OrderedDict[bytes, bytes] = OrderedDict()
    hits = 0
    for _ in range(3000):
        key = bytes([chance.randint(0, 60)])
        if chance.random() < 0.5:
            content = chance.randbytes(chance.randint(0, max_bytes // 6))
            cache.put(key, content)
            if len(content) + ENTRY <= max_bytes // 8:
                latest[key] = content
        found = cache.get(key)
        hits += found is not None
        assert found in (None, latest.get(key))
        assert cache.size_bytes == seen.size_bytes <= max_bytes
        assert cache.size_bytes >= len(cache) * ENTRY
    assert hits > 100 or max_bytes < 8 * ENTRY


def test_nothing_is_left_after_it_was_cleared() -> None:
    seen = Seen()
    cache = ResultCache(10_000, seen)
    for key in (b"a", b"b"):
        cache.put(key, b"content")
    cache.clear()
    assert (len(cache), cache.size_bytes, cache.get(b"a")) == (0, 0, None)
    assert (seen.size_bytes, seen.num_evicted) == (0, 2)
