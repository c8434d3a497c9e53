"""Faults come in an order that a seed decides, the important kinds first, and every kind in the end."""

import itertools

from bench.faults.scenario import Scenario
from loadtest.soak_faults import _FIRST, _OTHERS, deal

TAKEDOWNS = (Scenario("taken down", lambda *_: ()), Scenario("taken down and killed", lambda *_: ()))
KINDS = {scenario.kind for scenario in (*_FIRST, *_OTHERS, *TAKEDOWNS)}


def kinds(seed: int, number: int) -> list[str]:
    return [scenario.kind for scenario in itertools.islice(deal(TAKEDOWNS, seed), number)]


def test_every_kind_comes_once_before_any_comes_again() -> None:
    assert len(KINDS) == len(_FIRST) + len(_OTHERS) + 2
    for seed in range(5):
        dealt = kinds(seed, 3 * len(KINDS))
        for turn in range(3):
            assert set(dealt[turn * len(KINDS) : (turn + 1) * len(KINDS)]) == KINDS
        assert set(dealt[: len(_FIRST) + 1]) == {*(scenario.kind for scenario in _FIRST), "taken down"}


def test_the_order_follows_from_the_seed() -> None:
    assert kinds(1, 40) == kinds(1, 40)
    assert len({tuple(kinds(seed, 6)) for seed in range(8)}) > 4
