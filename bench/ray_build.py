"""Tokenizing on Ray: the shared corpus with one worker and with two, the same Ray, the tokens compared."""

import hashlib
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import zstandard
from rich.console import Console

from bench.corpus import KEPT, SHARED_DATA
from bench.errors import BenchError
from bench.options import BenchOptions
from bench.report import Report
from indexing.budget import TOKENIZING_BYTES
from indexing.chunks import Chunk
from indexing.documents import DocumentFields
from indexing.ray_tasks import RayTasks, ray_tasks
from indexing.sources import find_corpus
from indexing.splits import Split, splits_of
from indexing.tasks import Task
from indexing.tokenizing_task import Tokenizing
from indexing.units import tokenize_unit

_WORKERS = 2
_LEAST_SCALING = 1.6
_MEMORY_BYTES = 4 << 30
_TOKEN_WIDTH = 2
_MOST_PASSES = 3


def run(options: BenchOptions, console: Console) -> Report:
    """Tokenizes the shared corpus with Llama-2's tokenizer, in turn with one worker and with two."""
    if not SHARED_DATA.is_dir():
        raise BenchError(f"{SHARED_DATA}: no shared corpus here")
    KEPT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KEPT, prefix="ray-") as scratch:
        splits = splits_of(find_corpus([_unpacked(Path(scratch))]))
        files = Path(scratch) / "tasks"
        with console.status("starting Ray"), ray_tasks(_WORKERS, None, _MEMORY_BYTES, files) as both:
            runners = {1: RayTasks(1, files), _WORKERS: both}
            _Tokenized(both, splits[:_WORKERS], Path(scratch))  # every worker has loaded what it needs
            passes: dict[int, list[_Tokenized]] = {workers: [] for workers in runners}
            for number in range(min(_MOST_PASSES, options.passes)):
                for workers, runner in runners.items():
                    with console.status(f"pass {number + 1} with {workers} workers"):
                        passes[workers].append(_Tokenized(runner, splits, Path(scratch)))
    seconds = {workers: statistics.median(one.seconds for one in done) for workers, done in passes.items()}
    num_tokens = passes[1][0].num_tokens
    scaling = seconds[1] / seconds[_WORKERS]
    failures = []
    if len({one.sha256 for done in passes.values() for one in done}) > 1:
        failures.append("the chunks differ from one pass to another")
    if scaling < _LEAST_SCALING:
        failures.append(f"{_WORKERS} workers are {scaling:.2f} times as fast as one, expected {_LEAST_SCALING}")
    return Report(
        title=f"tokenizing {num_tokens:,} tokens on Ray, {len(splits)} splits, text in the page cache",
        columns=("workers", "seconds", "tokens a second"),
        rows=[[str(workers), f"{taken:.2f}", f"{num_tokens / taken:,.0f}"] for workers, taken in seconds.items()],
        figures={
            f"tokenize_scaling_{_WORKERS}": scaling,
            "ray_tokens_per_second_1": num_tokens / seconds[1],
            f"ray_tokens_per_second_{_WORKERS}": num_tokens / seconds[_WORKERS],
        },
        failures=failures,
        notes=(
            f"median of {len(passes[1])} passes, in turn; Llama-2's tokenizer, JSON lines, chunks flushed to disk",
            "workers have started and loaded the tokenizer before; each keeps to one core",
        ),
    )


class _Tokenized:
    """One pass over the splits: how long it took, and what came of it."""

    def __init__(self, runner: RayTasks, splits: Sequence[Split], scratch: Path):
        work = scratch / "pass"
        (work / "locks").mkdir(parents=True)
        how = Tokenizing(
            tokenizer=SHARED_DATA / "tokenizers" / "llama-2.json",
            token_width=_TOKEN_WIDTH,
            num_shards=1,
            fields=DocumentFields("text", None),
            one_core=True,
        )
        tasks = [
            Task(
                name=f"tokenize split {split.number}",
                function=tokenize_unit,
                arguments=(work / "locks" / str(split.number), split, how, work / str(split.number)),
                amount=split.size_bytes,
                cores=1,
                memory_bytes=TOKENIZING_BYTES,
            )
            for split in splits
        ]
        began = perf_counter()
        chunks: dict[int, Chunk] = dict(runner.run(tasks, lambda amount: None))
        self.seconds = perf_counter() - began
        self.num_tokens = sum(chunk.num_tokens for chunk in chunks.values())
        digest = hashlib.sha256()
        for number in sorted(chunks):
            for file in sorted((work / str(number)).iterdir()):
                digest.update(file.read_bytes())
        self.sha256 = digest.hexdigest()
        shutil.rmtree(work)


def _unpacked(folder: Path) -> Path:
    """Returns the shared corpus as a plain file, so that it can be cut anywhere."""
    path = folder / "corpus.jsonl"
    with (SHARED_DATA / "corpus.jsonl.zst").open("rb") as packed, path.open("wb") as plain:
        zstandard.ZstdDecompressor().copy_stream(packed, plain)
    return path
