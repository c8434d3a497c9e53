"""``python -m bench.fuzz.child``: fuzzes one target in a process of its own and writes what became of it.

The input at hand stands in a file before it is tried, so it is there also when the process dies of it.
"""

import argparse
import faulthandler
import json
import logging
import mmap
import resource
import traceback
from pathlib import Path
from random import Random
from time import monotonic

from bench.fuzz.mutation import MOST_BYTES, Mutator
from bench.fuzz.target import Target, Workplace
from bench.fuzz.targets import TARGETS

# An input may take this long; the stack of what takes longer is printed and the process ends.
CASE_LIMIT_S = 20
_BATCH = 64
_MOST_FINDINGS = 20
_ADDRESS_SPACE = 12 << 30


def main() -> None:
    """Runs the cases, or one that is given."""
    arguments = _arguments()
    logging.disable(logging.CRITICAL)  # a log of a million refusals
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    folder = arguments.folder / "work"
    folder.mkdir(exist_ok=True)
    target = TARGETS[arguments.target].make(Workplace(str(folder), str(arguments.index)))
    if arguments.replay is not None:
        target.run(arguments.replay.read_bytes())
        return
    for seed in target.seeds:
        target.run(seed)
    started = _rss_bytes()
    findings, cases, seconds = _fuzz(target, arguments)
    report = {
        "cases": cases,
        "seconds": seconds,
        "findings": findings,
        "rss_bytes": _rss_bytes(),
        "rss_growth_bytes": _rss_bytes() - started,
    }
    (arguments.folder / "report.json").write_text(json.dumps(report))


def _fuzz(target: Target, arguments: argparse.Namespace) -> tuple[dict[str, str], int, float]:
    """Returns what was found, with the name of the file of the first input of each; and how much was tried."""
    mutator = Mutator(target, Random(arguments.seed))
    findings: dict[str, str] = {}
    began, cases = monotonic(), 0
    with (arguments.folder / "current").open("w+b") as file:
        file.truncate(MOST_BYTES + 8)
        with mmap.mmap(file.fileno(), MOST_BYTES + 8) as current:
            while cases < arguments.cases and monotonic() - began < arguments.seconds:
                faulthandler.dump_traceback_later(CASE_LIMIT_S, exit=True)
                for _ in range(min(_BATCH, arguments.cases - cases)):
                    content = mutator.next()
                    current[:8] = len(content).to_bytes(8, "little")
                    current[8 : 8 + len(content)] = content
                    cases += 1
                    try:
                        target.run(content)
                    except BaseException as error:  # whatever it is, the reader must not raise it
                        if isinstance(error, KeyboardInterrupt):
                            raise
                        _keep(error, content, findings, arguments.folder)
    faulthandler.cancel_dump_traceback_later()
    return findings, cases, monotonic() - began


def _keep(error: BaseException, content: bytes, findings: dict[str, str], folder: Path) -> None:
    frames = traceback.extract_tb(error.__traceback__)
    last = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
    kind = f"{type(error).__name__} at {last}"
    if kind in findings or len(findings) >= _MOST_FINDINGS:
        return
    path = folder / f"finding-{len(findings)}"
    path.write_bytes(content)
    findings[kind] = path.name
    (folder / f"{path.name}.txt").write_text("".join(traceback.format_exception(error)))


def _rss_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _arguments(words: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz.child")
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--index", type=Path, required=True, help="a small sound index")
    parser.add_argument("--folder", type=Path, required=True, help="where to work and to report")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replay", type=Path, help="a file that is tried alone")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
