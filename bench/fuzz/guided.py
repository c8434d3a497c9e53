"""``python -m bench.fuzz.guided``: libFuzzer, by Atheris, keeps the inputs of a target that reach new code of ours.

Each target has a process of its own, as many at once as there are cores. It begins with the target's right inputs and
with what earlier runs kept in ``.bench/fuzz-corpus``. What raises, hangs or takes too much memory ends it; the input is
kept in ``.bench/fuzz``. The engine, protobuf and Arrow are compiled: of them it sees only which of our lines follow.
"""

import argparse
import hashlib
import logging
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# Nothing of ours is imported up here: what is to be watched has to be imported under Atheris.

# Readers whose code is Python of ours. Of the others coverage says nothing.
NAMES = (
    "metadata lines",
    "http requests",
    "probe requests",
    "takedown requests",
    "redacted texts",
    "keys and takedowns",
    "manifests",
    "operators' files",
    "json lines",
    "packed lines",
    "parquet files",
    "id arrays",
)
_OURS = ["coordinator", "headwater", "index_format", "indexing", "runtime", "shard_server"]
_MOST_MB = 2048


def main() -> None:
    """Fuzzes one target for good, or all and says which failed."""
    arguments = _arguments()
    if arguments.target is not None:
        _fuzz(arguments.target, arguments.seconds, Path(arguments.index))
    from bench.fuzz.tiny import build_tiny_index

    with tempfile.TemporaryDirectory(prefix="fuzz-index-") as folder:
        index = build_tiny_index(Path(folder))
        with ThreadPoolExecutor(os.cpu_count()) as executor:
            statuses = list(executor.map(lambda name: _in_a_process(name, arguments.seconds, index), NAMES))
    if any(statuses):
        sys.exit(1)


def _in_a_process(name: str, seconds: int, index: Path) -> int:
    """Fuzzes a target, tells what became of it, and returns its exit status."""
    command = [sys.executable, "-m", __spec__.name, name, "--seconds", str(seconds), "--index", str(index)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = done.stderr.splitlines()
    if done.returncode:
        print(f"{name}: ended with {done.returncode}", *lines[-40:], sep="\n", flush=True)
    else:
        # "#1234 DONE cov: 56 ft: 78 corp: 9/10Kb ..."
        told = next((line for line in reversed(lines) if "DONE" in line), "no figures")
        print(f"{name}: {told.strip()}", flush=True)
    return done.returncode


def _fuzz(name: str, seconds: int, index: Path) -> None:
    """Never returns: libFuzzer ends the process."""
    import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

    with atheris.instrument_imports(include=_OURS):
        from bench.corpus import KEPT
        from bench.fuzz.child import CASE_LIMIT_S
        from bench.fuzz.mutation import MOST_BYTES
        from bench.fuzz.target import Workplace
        from bench.fuzz.targets import TARGETS
    logging.disable(logging.CRITICAL)  # a log of a million refusals
    kept, corpus = KEPT / "fuzz", KEPT / "fuzz-corpus" / name.replace(" ", "-").replace("'", "")
    for folder in (kept, corpus):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder_name:
        target = TARGETS[name].make(Workplace(folder_name, str(index)))
        for seed in target.seeds:
            (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
        words = Path(folder_name).with_suffix(".words")
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        flags = [
            f"-max_total_time={seconds}",
            f"-max_len={MOST_BYTES}",
            f"-timeout={CASE_LIMIT_S}",
            f"-rss_limit_mb={_MOST_MB}",
            f"-artifact_prefix={kept}/{corpus.name}-",
            f"-dict={words}",
        ]
        atheris.Setup([name, *flags, str(corpus)], target.run)
        atheris.Fuzz()


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz.guided")
    parser.add_argument("target", nargs="?", choices=NAMES, help="one alone, in this process")
    parser.add_argument("--seconds", type=int, default=60, help="for each")
    parser.add_argument("--index", type=Path, help="a small sound index; given with a target")
    return parser.parse_args()


if __name__ == "__main__":
    main()
