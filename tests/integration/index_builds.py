"""What the tests of whole builds share: corpora, and the command in a process of its own."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from indexing import BuildReport, SilentProgress
from indexing.plan import BuildPlan, RawBytes, TokenizerChoice

WORDS = ("the", "cat", "sat", "on", "a", "mat", "and", "then", "it", "ran", "caf\u00e9", "42", "end.")


class ReportKeeper(SilentProgress):
    """Keeps the report of a build."""

    report: BuildReport

    def finished(self, report: BuildReport) -> None:
        self.report = report


def make_texts(number: int, seed: int = 7, words: int = 40) -> list[str]:
    """Returns texts of few words, so that passages repeat."""
    chooser = random.Random(seed)
    return [" ".join(chooser.choices(WORDS, k=chooser.randint(1, words))) for _ in range(number)]


def various_texts(seed: int, number: int) -> list[str]:
    """Returns texts of many words, a tenth of them twice."""
    chooser = random.Random(seed)
    words = ["".join(chooser.choices("abcdefghijklmnop", k=chooser.randint(2, 9))) for _ in range(5000)]
    texts = [" ".join(chooser.choices(words, k=chooser.randint(1, 100))) for _ in range(number)]
    return texts + texts[: number // 10]


def write_corpus(path: Path, texts: Sequence[str], **more: str) -> Path:
    """Writes texts as JSON lines with a number each, and fields that are the same in all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"text": text, "number": number, **more}) for number, text in enumerate(texts))
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def plan_of(source: Path, output: Path, shards: int = 1, tokenizer: TokenizerChoice | None = None) -> BuildPlan:
    """Returns a plan to index one source, in raw bytes if no tokenizer is named."""
    return BuildPlan(sources=(source,), output=output, tokenizer=tokenizer or RawBytes(), shards=shards)


def tree_of(directory: Path) -> dict[str, str | None]:
    """Returns the SHA-256 of every file below a directory by its path, and None for every folder."""
    return {
        path.relative_to(directory).as_posix(): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        )
        for path in sorted(directory.rglob("*"))
    }


def index_command(*arguments: str | Path, limit_bytes: int | None = None) -> "subprocess.Popen[str]":
    """Starts ``headwater index ...`` in a process group of its own; ``limit_bytes`` bounds every file it writes."""
    # The limit goes through a shell, as preexec_fn is not safe beside threads.
    command = [sys.executable, "-m", "headwater.cli", "index", *map(str, arguments)]
    if limit_bytes is not None:
        command = ["bash", "-c", f'ulimit -f {limit_bytes // 1024} && exec "$@"', "bash", *command]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "TERM": "dumb"},
    )


def run_index_command(
    *arguments: str | Path, limit_bytes: int | None = None, timeout: float = 60
) -> tuple[int, str, str]:
    """Runs ``headwater index ...`` to its end and returns its exit code, standard output and standard error."""
    with index_command(*arguments, limit_bytes=limit_bytes) as process:
        out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Waits for a condition while a command runs."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, "the command ended before the test could interrupt it"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def processes_of_group(group: int) -> list[int]:
    """Returns the processes of a group that live."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def at_work(process: "subprocess.Popen[str]", task: str) -> bool:
    """Says whether the engine does a task in a child of the command."""
    return any(f"engine_process.py {task}" in _command_of(child) for child in psutil.Process(process.pid).children())


def _command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""  # it has just ended
