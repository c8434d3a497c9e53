from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from indexing.tasks import Share

AMOUNT = 10


@given(st.lists(st.integers(0, 2 * AMOUNT)))
def test_never_more_is_told_than_there_is_and_in_the_end_all_of_it(reached: list[int]) -> None:
    told: list[int] = []
    share = Share(AMOUNT, told.append)
    for done in reached:
        share.reached(done)
        assert sum(told) == min(done, AMOUNT)
    share.finished()
    assert sum(told) == AMOUNT
    assert 0 not in told
    assert all(0 <= done <= AMOUNT for done in accumulate(told))


def test_a_task_that_begins_anew_takes_back_what_was_told_of_it() -> None:
    told: list[int] = []
    share = Share(AMOUNT, told.append)
    for done in (6, 0, 3):
        share.reached(done)
    share.finished()
    assert told == [6, -6, 3, 7]


def test_what_is_added_beyond_the_end_is_not_told() -> None:
    told: list[int] = []
    share = Share(AMOUNT, told.append)
    for _ in range(3):
        share.add(4)
    share.finished()
    assert told == [4, 4, 2]
