"""A soak of a cluster that runs: the rate, the load with its faults, and the verdict, in this order."""

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from bench.faults.cluster import FaultCluster
from bench.faults.history import History
from bench.faults.outcomes import Searched
from bench.faults.scenario import Scenario
from loadtest.access import Access
from loadtest.errors import LoadTestError
from loadtest.find_rate import Found, Search, find_rate
from loadtest.generator import Generator
from loadtest.leaks import Bounds, ProcessWatch
from loadtest.machine import load_average, machine
from loadtest.oracle import Takedowns, TimelyOracle
from loadtest.plan import Load
from loadtest.results import Configuration, Run, Step
from loadtest.schedule import Pace
from loadtest.soak_answers import Kept
from loadtest.soak_faults import Struck, deal, strike_all
from loadtest.soak_processes import part_of, processes_below
from loadtest.soak_result import Soak
from loadtest.soak_takedown import TakedownFaults
from loadtest.soak_verdict import failures_of, judge_answers, judge_growth, judged_step, windows_of
from loadtest.targets import Targets
from loadtest.workloads import Mix, Question, Texts, Workload

_SEARCH_S = 150.0
_TAKEN_DOWN = 12
# Every request asks for one of the texts as it is, for the oracle has to know the answer.
_MIX = Mix({Workload.CORPUS: 1.0}, hot_share=1.0, hot_texts=0)
_NOTE = "Targets are judged outside of the fault windows; the figures above count everything."


@dataclass(frozen=True, slots=True)
class Plan:
    """What a soak is.

    Attributes:
        seconds: How long it lasts, once the rate is known.
        rate_share: Share of the highest rate at which it runs.
        rate: Requests a second; 0: that share of the highest rate, which is looked for first.
        seed: Of requests and faults.
        targets: What is to hold outside the fault windows.
        quiet_s: Time without a fault before each.
        recovery_s: What a fault's window has after the fault is mended.
        warm_up_s: Load before it, without faults, that is not judged by the targets.
        timeout_s: Time that each request gives the server.
        bounds: What processes may grow by.
    """

    seconds: float
    rate_share: float
    rate: float
    seed: int
    targets: Targets
    quiet_s: float = 20.0
    recovery_s: float = 10.0
    warm_up_s: float = 10.0
    timeout_s: float = 10.0
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class _Loaded:
    """What was seen of the load and the faults."""

    step: Step
    kept: list[Kept]
    struck: list[Struck]
    watch: ProcessWatch
    began: float


def soak_cluster(
    cluster: FaultCluster,
    oracle: TimelyOracle,
    takedowns: History[Takedowns],
    plan: Plan,
    tell: Callable[[str], None],
    *,
    faults: Callable[[TakedownFaults], Iterable[Scenario]] | None = None,
    on_step: Callable[[Step], None] = lambda _: None,
) -> Soak:
    """Soaks a cluster that runs.

    Args:
        cluster: The cluster.
        oracle: Says which answers are right.
        takedowns: The history that the oracle goes by.
        plan: What is to be done.
        tell: Takes a line for each fault.
        faults: Returns the faults; without it there are all kinds, until the time is over.
        on_step: Is told each step of the search for the rate.

    Raises:
        LoadTestError: no rate meets the targets.
    """
    load_before, started = load_average(), datetime.now(UTC)
    of_takedowns = TakedownFaults(oracle.shown_documents(range(_TAKEN_DOWN)), takedowns)
    dealt = iter(faults(of_takedowns)) if faults is not None else deal(of_takedowns.scenarios, plan.seed)
    load = _load(cluster, plan)
    kept: list[Kept] = []
    with Generator(
        load, _MIX, plan.seed, good_within_ms=plan.targets.good_limit_ms, on_records=_keeper(kept)
    ) as generator:
        found = _find(generator, plan, on_step)
        rate = plan.rate or plan.rate_share * (found.rate or 0.0)
        cluster.settle()
        kept.clear()  # of the search
        tell(f"{plan.seconds:.0f} s at {rate:.4g} requests/s")
        step, struck, watch = _load_with_faults(generator, cluster, dealt, plan, rate, tell)
        loaded = _Loaded(step, kept, struck, watch, generator.began)
    return _judged(loaded, found, oracle, plan, _configuration(load, plan), started, load_before)


def _find(generator: Generator, plan: Plan, on_step: Callable[[Step], None]) -> Found:
    """Returns the highest rate, unless the plan says at which rate to run."""
    if plan.rate:
        return Found(None, (), ())
    found = find_rate(generator.run, plan.targets, Search(start_rate=20.0, longest_s=_SEARCH_S), on_step)
    if found.rate is None:
        raise LoadTestError(f"no rate meets the targets: {'; '.join(found.notes)}; set one by --rate")
    return found


def _load_with_faults(
    generator: Generator,
    cluster: FaultCluster,
    faults: Iterator[Scenario],
    plan: Plan,
    rate: float,
    tell: Callable[[str], None],
) -> tuple[Step, list[Struck], ProcessWatch]:
    """Sends the load of the soak in a thread, while faults strike from this one."""
    pace = Pace("soak", rate, rate, plan.seconds, plan.warm_up_s, "poisson")
    interval_s = min(5.0, max(0.5, plan.seconds / 400))
    with ProcessWatch(processes_below, part_of, interval_s) as watch, ThreadPoolExecutor(1) as thread:
        ends_s = time.monotonic() + plan.warm_up_s + plan.seconds
        sending = thread.submit(generator.run, pace)
        time.sleep(plan.warm_up_s)
        struck = strike_all(cluster, faults, ends_s, plan.quiet_s, sending.done, tell)
        return sending.result(), struck, watch


def _judged(
    loaded: _Loaded,
    found: Found,
    oracle: TimelyOracle,
    plan: Plan,
    configuration: Configuration,
    started: datetime,
    load_before: float,
) -> Soak:
    answers = judge_answers(
        loaded.kept,
        loaded.step,
        loaded.struck,
        began=loaded.began,
        recovery_s=plan.recovery_s,
        good_within_ms=plan.targets.good_limit_ms,
        is_right=oracle.is_right,
    )
    step = judged_step(loaded.step, answers, plan.targets)
    processes = loaded.watch.series(loaded.began)
    growths = judge_growth(processes, plan.bounds)
    failures = failures_of(step, answers, growths)
    run = Run(
        started_at=started.isoformat(timespec="seconds"),
        configuration=configuration,
        machine=machine(load_before),
        steps=(*found.steps, step),
        highest_rate=found.rate,
        passed=not failures,
        notes=(*found.notes, _NOTE),
        windows=windows_of(answers.faults),
        processes=processes,
    )
    return Soak(
        run=run,
        rate_share=plan.rate_share,
        compared=answers.compared,
        cached=answers.cached,
        wrong=answers.wrong,
        unnoticed=answers.unnoticed,
        hung=answers.hung,
        quiet_requests=answers.quiet.intended,
        recovery_s=plan.recovery_s,
        faults=answers.faults,
        growths=growths,
        bounds=plan.bounds,
        failures=failures,
    )


def _load(cluster: FaultCluster, plan: Plan) -> Load:
    return Load(
        access=Access(cluster.coordinator.target, api_key=cluster.api_key),
        texts=Texts(answers=tuple(Question("", answer) for answer in cluster.indexes.answers)),
        run=f"soak-{plan.seed}",
        timeout_s=plan.timeout_s,
        processes=2,
        connections=4,
        in_flight_limit=2_000,
        observer="loadtest.soak_answers:make_observer",
    )


def _keeper(kept: list[Kept]) -> Callable[[list[object]], None]:
    """Returns what takes the records of the client processes. Of equal digests one is kept: there are few."""
    digests: dict[bytes, bytes] = {}
    searched: dict[Searched | None, Searched | None] = {}

    def take(records: list[object]) -> None:
        for record in records:
            assert isinstance(record, Kept), "the observer makes no other"
            one = record.outcome
            slim = replace(
                one,
                answer=digests.setdefault(one.answer, one.answer),
                searched=searched.setdefault(one.searched, one.searched),
            )
            kept.append(Kept(slim, record.cached))

    return take


def _configuration(load: Load, plan: Plan) -> Configuration:
    return Configuration(
        target=load.access.target,
        protocol=load.access.protocol,
        tls=load.access.tls,
        with_key=load.access.api_key is not None,
        arrivals="poisson",
        workloads={workload.value: share for workload, share in _MIX.shares.items()},
        hot_share=_MIX.hot_share,
        seed=plan.seed,
        timeout_s=load.timeout_s,
        processes=load.processes,
        connections=load.connections,
        in_flight_limit=load.in_flight_limit,
    )
