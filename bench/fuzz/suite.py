"""``python -m bench fuzz``: every target in processes of its own, as many at once as there are cores.

A process that dies of an input is a crash; the input is kept, and another process goes on behind it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.corpus import KEPT, REPOSITORY
from bench.fuzz.child import CASE_LIMIT_S
from bench.fuzz.targets import TARGETS
from bench.fuzz.tiny import build_tiny_index
from bench.options import BenchOptions
from bench.report import Report

# No process that reads hostile input may hold more.
MOST_RSS_BYTES = 1 << 30
_MOST_CRASHES = 5


@dataclass(slots=True)
class Outcome:
    """What became of a target.

    Attributes:
        cases: Inputs tried, also those of which a process died.
        seconds: Time that they took.
        rss_bytes: The most memory that a process held.
        findings: What was raised that must not be, and where.
        crashes: How processes ended that died.
        kept: Files of the inputs that did it.
    """

    cases: int = 0
    seconds: float = 0.0
    rss_bytes: int = 0
    findings: list[str] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)


def fuzz(name: str, index: Path, cases: int, *, seconds: float = 3600.0, seed: int = 1) -> Outcome:
    """Returns what became of a target under ``cases`` inputs, or as many as fit into ``seconds``."""
    outcome = Outcome()
    while outcome.cases < cases and outcome.seconds < seconds and len(outcome.crashes) < _MOST_CRASHES:
        with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_in_memory()) as folder:
            left = (cases - outcome.cases, seconds - outcome.seconds)
            _one_process(name, index, Path(folder), left, seed + len(outcome.crashes), outcome)
    return outcome


def run(options: BenchOptions, console: Console) -> Report:
    """Fuzzes every target with its share of ``options.cases``."""
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="fuzz-index-", dir=_in_memory()) as folder:
        index = build_tiny_index(Path(folder))
        with ThreadPoolExecutor(os.cpu_count()) as executor, console.status("fuzzing"):
            running = {
                name: executor.submit(fuzz, name, index, options.cases * share.per_thousand // 1000, seed=options.seed)
                for name, share in TARGETS.items()
            }
            for name, future in running.items():
                outcomes[name] = future.result()
                console.print(f"{name}: {outcomes[name].cases:,} inputs in {outcomes[name].seconds:.0f} s")
    worst = max(outcome.rss_bytes for outcome in outcomes.values())
    crashes = [f"{name}: {crash}" for name, outcome in outcomes.items() for crash in outcome.crashes]
    findings = [f"{name}: {finding}" for name, outcome in outcomes.items() for finding in outcome.findings]
    too_large = [
        f"{name}: {outcome.rss_bytes >> 20} MB of memory, expected at most {MOST_RSS_BYTES >> 20}"
        for name, outcome in outcomes.items()
        if outcome.rss_bytes > MOST_RSS_BYTES
    ]
    kept = [path for outcome in outcomes.values() for path in outcome.kept]
    return Report(
        title="Hostile input: wrong inputs made of right ones, by what reads them",
        columns=("reader", "cases", "a second", "crashes", "findings", "most memory, MB"),
        rows=[_row(name, outcome) for name, outcome in outcomes.items()],
        figures={
            "cases": sum(outcome.cases for outcome in outcomes.values()),
            "crashes": len(crashes) + len(findings),
            "worst_rss_mb": worst >> 20,
        },
        failures=[*crashes, *findings, *too_large],
        notes=[f"kept: {path}" for path in kept],
    )


def _row(name: str, outcome: Outcome) -> tuple[str, ...]:
    rate = outcome.cases / max(outcome.seconds, 1e-9)
    counts = (len(outcome.crashes), len(outcome.findings), outcome.rss_bytes >> 20)
    return (name, f"{outcome.cases:,}", f"{rate:,.0f}", *map(str, counts))


def _one_process(name: str, index: Path, folder: Path, left: tuple[int, float], seed: int, outcome: Outcome) -> None:
    command = [sys.executable, "-m", "bench.fuzz.child", name, "--index", str(index), "--folder", str(folder)]
    command += ["--cases", str(left[0]), "--seconds", str(left[1]), "--seed", str(seed)]
    limit_s = left[1] + 120 + 2 * CASE_LIMIT_S
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", cwd=REPOSITORY, timeout=limit_s)
    report = folder / "report.json"
    if done.returncode == 0 and report.exists():
        told = json.loads(report.read_text())
        outcome.cases += told["cases"]
        outcome.seconds += told["seconds"]
        outcome.rss_bytes = max(outcome.rss_bytes, told["rss_bytes"])
        outcome.findings += told["findings"]
        for kind, file in told["findings"].items():
            outcome.kept.append(_keep(folder / file, name, kind))
        return
    kind = f"process ended with {done.returncode}: {_last_words(done.stderr)}"
    outcome.crashes.append(kind)
    outcome.cases += 1
    current = folder / "current"
    if current.exists():
        content = current.read_bytes()
        current.write_bytes(content[8 : 8 + int.from_bytes(content[:8], "little")])
        outcome.kept.append(_keep(current, name, f"crash {len(outcome.crashes)}"))


def _last_words(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-6:])[:600]


def _keep(path: Path, name: str, kind: str) -> Path:
    folder = KEPT / "fuzz"
    folder.mkdir(parents=True, exist_ok=True)
    words = "".join(letter if letter.isalnum() else "-" for letter in f"{name} {kind}")
    kept = folder / words[:120]
    shutil.copy(path, kept)
    if (told := path.with_name(f"{path.name}.txt")).exists():
        shutil.copy(told, kept.with_suffix(".txt"))
    return kept


def _in_memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder with a random name inside it
