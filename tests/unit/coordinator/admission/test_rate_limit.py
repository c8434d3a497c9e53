import random

import pytest

from coordinator.admission.rate_limit import RateLimit, estimated_tokens
from coordinator.errors import RateLimitedError


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_client_can_ask_a_burst_at_once_and_then_as_fast_as_the_rate() -> None:
    clock = Clock()
    limit = RateLimit(10.0, 100.0, clock=clock)
    limit.reserve("a", 100)
    with pytest.raises(RateLimitedError, match="more tokens than it may for now") as raised:
        limit.reserve("a", 20)
    assert raised.value.retry_after_s == pytest.approx(2.0)
    clock.now += 1.9
    with pytest.raises(RateLimitedError):
        limit.reserve("a", 20)
    clock.now += 0.1
    limit.reserve("a", 20)


def test_one_client_does_not_use_up_what_is_anothers() -> None:
    limit = RateLimit(10.0, 100.0, clock=Clock())
    limit.reserve("a", 100)
    limit.reserve("b", 100)
    limit.reserve("", 100)
    with pytest.raises(RateLimitedError):
        limit.reserve("", 1)


def test_settling_gives_back_what_was_estimated_too_high_and_takes_what_was_too_low() -> None:
    clock = Clock()
    limit = RateLimit(10.0, 100.0, clock=clock)
    limit.reserve("a", 100).settle(30)
    limit.reserve("a", 70).settle(170)  # 100 in debt
    clock.now += 10.0
    with pytest.raises(RateLimitedError) as raised:
        limit.reserve("a", 50)
    assert raised.value.retry_after_s == pytest.approx(5.0)


def test_settling_again_replaces_what_was_said_before() -> None:
    limit = RateLimit(10.0, 100.0, clock=Clock())
    reservation = limit.reserve("a", 100)
    reservation.settle(0)
    reservation.settle(60)
    reservation.settle(40)
    limit.reserve("a", 60)
    with pytest.raises(RateLimitedError):
        limit.reserve("a", 1)


def test_a_request_larger_than_a_bucket_waits_for_a_full_one_and_is_paid_for_afterwards() -> None:
    clock = Clock()
    limit = RateLimit(10.0, 100.0, clock=clock)
    limit.reserve("a", 250)
    with pytest.raises(RateLimitedError) as raised:
        limit.reserve("a", 250)
    assert raised.value.retry_after_s == pytest.approx(25.0)


def test_a_bucket_is_never_more_than_full() -> None:
    clock = Clock()
    limit = RateLimit(10.0, 100.0, clock=clock)
    limit.reserve("a", 50).settle(0)
    clock.now += 1000.0
    limit.reserve("a", 100)
    with pytest.raises(RateLimitedError):
        limit.reserve("a", 1)


def test_a_rate_of_zero_limits_nobody_and_remembers_nobody() -> None:
    limit = RateLimit(0.0, 0.0, clock=Clock())
    for _ in range(1000):
        limit.reserve("a", 10**9).settle(10**9)
    assert limit.num_clients == 0


def test_over_any_time_a_client_gets_at_most_a_burst_and_the_rate() -> None:
    chance, clock = random.Random(7), Clock()
    limit = RateLimit(10.0, 100.0, clock=clock)
    asked = refused = 0
    began = clock.now
    for _ in range(5000):
        clock.now += chance.uniform(0.0, 2.0)
        wanted = chance.randint(1, 60)
        try:
            reservation = limit.reserve("a", wanted)
        except RateLimitedError:
            refused += 1
            continue
        real = chance.randint(1, wanted)
        reservation.settle(real)
        asked += real
        assert asked <= 100 + 10 * (clock.now - began)
    assert refused > 500
    assert asked >= 0.8 * 10 * (clock.now - began)


def test_the_number_of_remembered_clients_is_bounded_and_the_longest_unused_go_first() -> None:
    clock = Clock()
    limit = RateLimit(0.001, 100.0, clock=clock, max_clients=50)
    for number in range(500):
        limit.reserve(f"client {number}", 100)
        assert limit.num_clients <= 50
    with pytest.raises(RateLimitedError):
        limit.reserve("client 499", 1)
    with pytest.raises(RateLimitedError):
        limit.reserve("client 452", 1)
    limit.reserve("client 0", 100)


def test_clients_whose_buckets_are_full_again_are_forgotten() -> None:
    clock = Clock()
    limit = RateLimit(10.0, 100.0, clock=clock, max_clients=1000)
    for number in range(300):
        limit.reserve(f"client {number}", 50)
    assert limit.num_clients == 300
    clock.now += 100.0
    for number in range(300):
        limit.reserve(f"other {number}", 50)
    assert limit.num_clients == 300


def test_the_estimate_is_above_what_english_text_has() -> None:
    text = "The quick brown fox jumps over the lazy dog near the river bank. " * 20
    assert estimated_tokens(len(text)) >= len(text.split()) * 1.3
    assert estimated_tokens(0) == 1
