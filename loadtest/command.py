"""The command: puts a server under load, prints what it held, and ends with 1 if a target was missed."""

import argparse
import contextlib
import secrets
import sys
from collections.abc import Sequence

from rich.console import Console

from loadtest.access import Access
from loadtest.compare import compare
from loadtest.errors import LoadTestError
from loadtest.find_rate import find_rate
from loadtest.generator import Generator
from loadtest.machine import load_average, machine
from loadtest.options import access_of, paces_of, parser, search_of, sources_of, weights_of
from loadtest.plan import Load
from loadtest.report_page import render
from loadtest.results import Run, Step, read_run, write_run
from loadtest.targets import Targets, read_targets
from loadtest.terminal import show_comparison, show_run, show_step
from loadtest.texts_to_send import gather_texts
from loadtest.workloads import mix_of

_FILE_COLUMNS = 140


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0 if every target is met, 1 if one is missed, 2 if the test could not be run."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words[:1] == ["soak"]:
        # It starts clusters and injects faults: a load test needs none of that.
        from loadtest.soak import main as soak

        return soak(words[1:])
    options = parser()
    given = options.parse_args(words)
    if given.find_rate and given.targets is None:
        options.error("--find-rate needs --targets: the highest rate is the one that meets them")
    if given.fail_on_regression and given.compare is None:
        options.error("--fail-on-regression needs --compare: an earlier run")
    if given.index is not None and not given.local:
        options.error("--index goes with --local: a server that runs serves what it serves")
    console = Console()
    console = console if console.is_terminal else Console(width=_FILE_COLUMNS)
    try:
        return _run(given, console)
    except LoadTestError as error:
        console.print(str(error), style="red", markup=False)
        return 2


def _run(given: argparse.Namespace, console: Console) -> int:
    # What is wrong with a file is said before anything is started.
    targets = read_targets(given.targets) if given.targets is not None else Targets()
    if given.find_rate:
        targets.check_for_search()
    earlier = read_run(given.compare) if given.compare is not None else None
    with _service(given, console) as access:
        run = _load(given, access, targets, console)
    show_run(run, console)
    compared = compare(run, earlier) if earlier is not None else None
    if compared is not None:
        show_comparison(compared, console)
    if given.json is not None:
        write_run(run, given.json)
    if given.html is not None:
        given.html.write_text(render(run, earlier), encoding="utf-8")
    is_worse = given.fail_on_regression and compared is not None and bool(compared.regressions)
    return 1 if is_worse or not run.passed else 0


def _service(given: argparse.Namespace, console: Console) -> contextlib.AbstractContextManager[Access]:
    if given.local:
        # Not before it is needed: a test of a server that runs needs none of what builds and serves indexes.
        from loadtest.local_service import local_service

        return local_service(given.index, given.protocol, console)
    return contextlib.nullcontext(access_of(given))


def _load(given: argparse.Namespace, access: Access, targets: Targets, console: Console) -> Run:
    load_before = load_average()
    texts = gather_texts(access, sources_of(given), given.seed)
    mix = mix_of(weights_of(given, texts), texts, given.hot_share, given.hot_texts)
    load = Load(
        access=access,
        texts=texts,
        run=secrets.token_hex(4),
        timeout_s=given.timeout,
        require_complete=given.require_complete,
        processes=given.processes,
        connections=given.connections,
        in_flight_limit=given.in_flight,
    )
    steps: list[Step] = []
    rate, notes = None, list[str]()

    def tell(step: Step) -> None:
        show_step(step, console)
        steps.append(step)

    with Generator(load, mix, given.seed, good_within_ms=targets.good_limit_ms) as generator:
        if given.find_rate:
            found = find_rate(generator.run, targets, search_of(given), tell)
            rate, notes = found.rate, list(found.notes)
        else:
            for pace in paces_of(given):
                tell(targets.judge(generator.run(pace)))
        told = generator.told_of_texts()
    return Run(
        started_at=generator.started_at,
        configuration=generator.configuration(given.arrivals),
        machine=machine(load_before),
        steps=tuple(steps),
        highest_rate=rate,
        passed=rate is not None if given.find_rate else all(step.passed for step in steps),
        notes=(*notes, told),
    )
