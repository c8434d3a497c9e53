"""Redaction: precision and recall on a labelled sample; how much is found in the shared corpus, and at what cost."""

import io
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import zstandard
from rich.console import Console

from bench.corpus import REPOSITORY, SHARED_DATA
from bench.options import BenchOptions
from bench.redaction_sample import Labelled, read_sample
from bench.report import Report
from coordinator.redaction.display import Display
from coordinator.redaction.found import Found, Kind, Passage

SAMPLE = REPOSITORY / "tests" / "redaction_sample"
# Every fifth document: 20 MB of text.
_EVERY = 5
# As a trace has them: windows of two thousand characters, fifty at once.
_WINDOW_CHARS = 2_000
_WINDOWS = 50


def run(options: BenchOptions, console: Console) -> Report:
    """Looks through the sample, and through the shared corpus if it is here."""
    sample = list(read_sample(SAMPLE))
    right, wrong, missed, failures = _judged(sample)
    per_million, us_per_kb, notes = _corpus(console)
    rows = [
        (
            kind.value,
            str(right[kind] + missed[kind]),
            _share(right[kind], wrong[kind]),
            _share(right[kind], missed[kind]),
            f"{per_million[kind]:.1f}" if per_million else "-",
        )
        for kind in Kind
    ]
    figures = {
        "redaction_precision": right.total() / max(1, right.total() + wrong.total()),
        "redaction_recall": right.total() / max(1, right.total() + missed.total()),
    }
    if us_per_kb is not None:
        figures["redaction_us_per_kb"] = us_per_kb
    without = sum(not one.labels for one in sample)
    return Report(
        title=f"redaction on {len(sample)} labelled lines of prose, code and maths, {without} without personal data",
        columns=("kind", "labelled", "precision", "recall", "found a million characters of the corpus"),
        rows=rows,
        figures=figures,
        notes=[*failures, *notes, f"the patterns were mended on this sample: {SAMPLE.relative_to(REPOSITORY)}"],
    )


def _judged(sample: Sequence[Labelled]) -> tuple[Counter[str], Counter[str], Counter[str], list[str]]:
    """Returns by kind what was found rightly, wrongly and not at all, and a line for each that is not right.

    A label counts as found if all of it is replaced, by its kind; what is found counts as right if it meets a label.
    """
    right, wrong, missed = Counter[str](), Counter[str](), Counter[str]()
    lines = []
    found_in = Display().find([Passage(one.text) for one in sample])
    for one, found in zip(sample, found_in, strict=True):
        for label in one.labels:
            is_found = any(
                other.start <= label.start and other.end >= label.end and other.kind == label.kind for other in found
            )
            (right if is_found else missed)[label.kind] += 1
            if not is_found:
                lines.append(f"missed {label.kind} in {one.kind_of_text}: {one.text[:80]!r}")
        for other in found:
            if not any(_meet(other, label) for label in one.labels):
                wrong[other.kind] += 1
                lines.append(f"no {other.kind} in {one.kind_of_text}: {one.text[:80]!r}")
    return right, wrong, missed, lines


def _meet(one: Found, other: Found) -> bool:
    return one.start < other.end and other.start < one.end and one.kind == other.kind


def _share(right: int, others: int) -> str:
    return f"{right / (right + others):.3f}" if right + others else "-"


def _corpus(console: Console) -> tuple[dict[str, float], float | None, list[str]]:
    """Returns finds a million characters by kind and the median cost of a trace's worth of windows."""
    path = SHARED_DATA / "corpus.jsonl.zst"
    if not path.is_file():
        return {}, None, [f"{path.name} is not here: nothing was looked for in real text"]
    display, found, chars = Display(), Counter[str](), 0
    costs = []
    with console.status("looking through the shared corpus"):
        for batch in _batches(path):
            began = perf_counter()
            of_batch = display.find(batch)
            size = sum(len(passage.text) for passage in batch)
            costs.append((perf_counter() - began) * 1e6 / (size / 1000))
            chars += size
            found.update(one.kind for of_passage in of_batch for one in of_passage)
    us_per_kb = statistics.median(costs)
    notes = [f"{chars:,} characters of the corpus in windows of {_WINDOW_CHARS:,}: {us_per_kb:.1f} us a thousand"]
    return {kind: found[kind] / chars * 1e6 for kind in Kind}, us_per_kb, notes


def _batches(path: Path) -> Iterator[list[Passage]]:
    batch: list[Passage] = []
    with path.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as reader:
        for number, line in enumerate(io.TextIOWrapper(reader, encoding="utf-8")):
            if number % _EVERY:
                continue
            text = json.loads(line)["text"]
            for start in range(0, len(text), _WINDOW_CHARS):
                end = start + _WINDOW_CHARS
                batch.append(Passage(text[start:end], start > 0, end < len(text)))
                if len(batch) == _WINDOWS:
                    yield batch
                    batch = []
