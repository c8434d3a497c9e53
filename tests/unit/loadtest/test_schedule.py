"""Which request is due when."""

import numpy as np
import pytest

from loadtest import schedule
from loadtest.errors import LoadTestError
from loadtest.schedule import Pace, Requests, draw_requests
from loadtest.workloads import Mix, Question, Texts, Workload, mix_of

TEXTS = Texts(
    conversations=tuple(Question("", f"c{number}") for number in range(40)),
    answers=tuple(Question("", f"a{number}") for number in range(60)),
    passages=tuple(f"p{number}" for number in range(30)),
)
MIX = mix_of({Workload.CONVERSATIONS: 1, Workload.STREAM: 2, Workload.CONTAMINATION: 1}, TEXTS, 0.3, 5)
KINDS = list(Workload)


def drawn(seed: int = 1, rate: float = 100, mix: Mix = MIX, first_serial: int = 1) -> Requests:
    pace = Pace("rate", rate, rate, 95, 5, "poisson")
    return draw_requests(pace, mix, TEXTS, np.random.default_rng(seed), first_serial)


def test_equal_seeds_give_equal_requests() -> None:
    for name in ("due_s", "workload", "text", "serial"):
        assert np.array_equal(getattr(drawn(), name), getattr(drawn(), name))
        assert not np.array_equal(getattr(drawn(), name), getattr(drawn(2), name)[: len(drawn())])


def test_the_warm_up_comes_first_at_the_first_rate() -> None:
    due = drawn().due_s
    assert (np.diff(due) >= 0).all()
    assert (due < 5).sum() == pytest.approx(500, abs=100)
    assert due.max() < 100


def test_workloads_have_their_shares() -> None:
    shares = np.bincount(drawn().workload, minlength=len(KINDS)) / len(drawn())
    wanted = [MIX.shares.get(kind, 0.0) for kind in KINDS]
    assert shares == pytest.approx(np.array(wanted), abs=0.03)
    assert wanted == [0.25, 0.0, 0.5, 0.25]


def test_every_text_is_one_of_its_workload() -> None:
    requests = drawn()
    for number, kind in enumerate(KINDS):
        own = requests.text[requests.workload == number]
        assert set(own.tolist()) == (set(range(TEXTS.number(kind))) if kind in MIX.shares else set())


def test_hot_requests_repeat_few_texts_and_cold_ones_are_never_the_same() -> None:
    requests = drawn(first_serial=1_000)
    hot = requests.serial == 0
    assert hot.mean() == pytest.approx(0.3, abs=0.03)
    assert requests.text[hot].max() < 5
    cold = requests.serial[~hot].tolist()
    assert len(set(cold)) == len(cold)
    assert min(cold) >= 1_000


def test_all_texts_are_hot_if_none_are_told() -> None:
    requests = drawn(mix=mix_of({Workload.CORPUS: 1}, TEXTS, 1.0, 0))
    assert set(requests.text.tolist()) == set(range(60))
    assert not requests.serial.any()


def test_the_parts_of_processes_are_the_whole() -> None:
    whole = drawn()
    parts = [whole.part(number, 3) for number in range(3)]
    assert sorted(np.concatenate([part.serial for part in parts]).tolist()) == sorted(whole.serial.tolist())
    assert sum(map(len, parts)) == len(whole)
    assert np.array_equal(parts[1].due_s, whole.due_s[1::3])


def test_too_many_requests_are_refused_before_they_are_drawn() -> None:
    with pytest.raises(LoadTestError, match=rf"at most {schedule.MOST_REQUESTS:,}"):
        drawn(rate=1e6)


@pytest.mark.parametrize(
    ("weights", "hot_share", "message"),
    [
        ({}, 0.2, "expected positive"),
        ({Workload.CORPUS: -1.0}, 0.2, "expected positive"),
        ({Workload.CORPUS: 1.0}, 1.5, "expected 0 to 1"),
    ],
)
def test_a_mix_that_makes_no_sense_is_refused(weights: dict[Workload, float], hot_share: float, message: str) -> None:
    with pytest.raises(LoadTestError, match=message):
        mix_of(weights, TEXTS, hot_share)


def test_a_workload_without_texts_is_refused_by_name() -> None:
    with pytest.raises(LoadTestError, match="no texts for conversations"):
        mix_of({Workload.CONVERSATIONS: 1}, Texts(answers=TEXTS.answers), 0.2)
