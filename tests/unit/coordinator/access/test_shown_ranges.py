from hypothesis import given
from hypothesis import strategies as st

from coordinator.access.shown_ranges import ShownRanges
from coordinator.access.sliding_sum import SlidingSum

RANGES = st.tuples(st.integers(0, 30), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
TOLD = st.lists(st.tuples(RANGES, st.floats(0, 5)), max_size=12)


def last_shown(told: list[tuple[tuple[int, int], float]]) -> tuple[dict[int, float], float, ShownRanges]:
    """Returns when each token was shown last, the time at the end, and what is tested."""
    now, at, ranges = 0.0, dict[int, float](), ShownRanges(10.0)
    for (start, end), waited in told:
        now += waited
        assert ranges.take([(start, end)], 1000, now)
        at.update(dict.fromkeys(range(start, end), now))
    return at, now, ranges


@given(TOLD, st.lists(RANGES, max_size=4), st.floats(0, 20))
def test_each_token_counts_once_until_it_was_shown_long_ago(
    told: list[tuple[tuple[int, int], float]], more: list[tuple[int, int]], later: float
) -> None:
    at, now, ranges = last_shown(told)
    now += later
    known = {token for token, time in at.items() if now - time < 10.0}
    assert ranges.num_tokens(now) == len(known)
    after = known.union(*(range(*each) for each in more))
    assert not ranges.take(more, len(after) - 1, now)
    assert ranges.num_tokens(now) == len(known), "what is refused is not shown"
    assert ranges.take(more, len(after), now)
    assert ranges.num_tokens(now) == len(after)


@given(TOLD, st.integers(0, 30), st.integers(0, 40), st.integers(0, 20))
def test_the_reach_is_the_most_that_holds_no_more_than_so_many_new_ones(
    told: list[tuple[tuple[int, int], float]], start: int, most: int, new: int
) -> None:
    at, now, ranges = last_shown(told)
    known = {token for token, time in at.items() if now - time < 10.0}
    expected = max(n for n in range(most + 1) if len(set(range(start, start + n)) - known) <= new)
    assert ranges.reach(start, most, new, now) == expected


@given(st.lists(st.tuples(st.integers(0, 100), st.floats(0, 300)), max_size=40))
def test_a_sum_is_never_less_than_that_of_its_time_and_hardly_more(told: list[tuple[int, float]]) -> None:
    now, sums, amounts = 0.0, SlidingSum(960.0), list[tuple[float, int]]()
    for amount, waited in told:
        now += waited
        sums.add(amount, now)
        amounts.append((now, amount))
        least = sum(amount for at, amount in amounts if now - at < 960.0)
        most = sum(amount for at, amount in amounts if now - at < 960.0 + 2 * 10.0)
        assert least <= sums.total(now) <= most


def test_a_sum_says_when_it_gets_less() -> None:
    sums = SlidingSum(96.0)
    assert sums.room_in_s(5.0) == 0.0
    sums.add(3, 5.5)
    sums.add(4, 50.0)
    left = sums.room_in_s(60.0)
    assert sums.total(60.0 + left - 0.01) == 7
    assert sums.total(60.0 + left + 0.01) == 4
