"""Faults come in an order that a seed decides, the important kinds first, and every kind in the end."""

import itertools
from dataclasses import fields

from bench.faults import generation_swap, replica_faults
from bench.faults.scenario import Scenario
from loadtest.leaks import Bounds
from loadtest.soak_faults import _FIRST, _OTHERS, _SWEEPING, deal
from loadtest.soak_run import Plan

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


def test_servers_live_long_enough_to_be_judged_between_faults_that_end_them_all() -> None:
    assert {scenario.act for scenario in _SWEEPING} == {
        generation_swap.swap_and_back,
        replica_faults.lose_every_shard,
        replica_faults.restart_in_turn,
    }
    (quiet_s,) = (field.default for field in fields(Plan) if field.name == "quiet_s")
    sweeping = {scenario.kind for scenario in _SWEEPING}
    for seed in range(20):
        # What half an hour has time for, if each takes 35 s in all.
        dealt = kinds(seed, 50)
        groups = itertools.groupby(dealt, sweeping.__contains__)
        longest = max(len(list(group)) for is_sweeping, group in groups if not is_sweeping)
        # Without the time that the faults themselves take.
        assert longest * quiet_s >= Bounds().warm_up_s + Bounds().least_s
