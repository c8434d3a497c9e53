"""Tokenizing: our encoder against the `tokenizers` package alone, on one core, with the tokens compared."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

from rich.console import Console

from bench.corpus import SHARED_DATA
from bench.errors import BenchError
from bench.options import BenchOptions
from bench.report import Report
from bench.tokenize_once import LONG_CHARACTERS, SHORT_STEP

_TOKENIZERS = ("llama-2", "dolma2", "olmo-7b")
_LEAST_RATIO = 1.0


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one process measured, in seconds of processor time: each encoder once over new texts, ours then again."""

    num_documents: int
    num_tokens: int
    alone_seconds: float
    our_seconds: float
    our_warm_seconds: float
    first_difference: str


def run(options: BenchOptions, console: Console) -> Report:
    """Encodes a sample of the shared corpus, as it is and joined to long documents, with three tokenizers."""
    del options
    if not SHARED_DATA.is_dir():
        raise BenchError(f"{SHARED_DATA}: no shared corpus here")
    rows: list[list[str]] = []
    figures: dict[str, float | int] = {}
    failures: list[str] = []
    for name in _TOKENIZERS:
        for kind in ("short", "long"):
            with console.status(f"{name}, {kind} documents"):
                measured = _measure(name, kind)
            ratio = measured.alone_seconds / measured.our_seconds
            rows.append(_row(f"{name}, {kind} documents", measured))
            figures[f"tokenize_ratio_{name.replace('-', '_')}_{kind}"] = ratio
            if measured.first_difference:
                failures.append(f"{name}, {kind} documents: {measured.first_difference}")
            if ratio < _LEAST_RATIO:
                failures.append(f"{name}, {kind} documents: ours takes longer than the package alone")
    figures["tokenize_ratio"] = min(figures.values())
    return Report(
        title="tokenizing on one core, documents in memory",
        columns=("", "documents", "M tokens", "alone, M tokens/s", "ours", "ours, words known", "ratio"),
        rows=rows,
        figures=figures,
        failures=failures,
        notes=(
            "alone = encode_batch_fast of the tokenizers package; processor seconds, each in a process of its own",
            "ours = from no word known; words known = the same texts again; ratio = ours to alone",
            f"short = every {SHORT_STEP}th document of the shared corpus; long = joined to {LONG_CHARACTERS:,} or more "
            "characters each",
        ),
    )


def _row(name: str, measured: _Measured) -> list[str]:
    millions = measured.num_tokens / 1e6
    return [
        name,
        f"{measured.num_documents:,}",
        f"{millions:.2f}",
        f"{millions / measured.alone_seconds:.2f}",
        f"{millions / measured.our_seconds:.2f}",
        f"{millions / measured.our_warm_seconds:.2f}",
        f"{measured.alone_seconds / measured.our_seconds:.2f}",
    ]


def _measure(name: str, kind: str) -> _Measured:
    """Measures in a process of its own: the package reads once, early, how many cores it may use."""
    command = [sys.executable, "-m", "bench.tokenize_once", name, kind]
    environment = os.environ | {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise BenchError(f"{name}, {kind} documents: {finished.stderr[-500:]}")
    return _Measured(**json.loads(finished.stdout))
