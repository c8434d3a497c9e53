"""Has the engine inspect the shards of an index, each in a process of its own, some at a time."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from index_format.layout import SIDECARS, TOKENIZED, shard_folder
from index_format.manifest import ShardManifest, rebuild_advice
from indexing.budget import available_memory_bytes
from indexing.engine_call import call_engine, without_advice
from indexing.errors import EngineCallError, VerificationError
from indexing.verification_report import LookedAt

# As in the engine: fan_out.rs, verify.rs, verify_ranks.rs.
_PAGES_PER_RUN = 8
_DOCUMENTS_PER_RUN = 512
_PAGE_CONTENT_BYTES = 4092


@dataclass(slots=True)
class ShardFindings:
    """What the engine said of one shard."""

    problems: list[VerificationError] = field(default_factory=list)
    looked_at: list[LookedAt] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Inspection:
    """How much to look at, and until how many problems of a shard."""

    share: float
    seed: int
    max_problems: int


def inspect_shards(
    directory: Path,
    shards: Sequence[ShardManifest],
    inspection: Inspection,
    threads: int,
    advanced: Callable[[int], None],
) -> list[ShardFindings]:
    """Returns what is wrong with the contents of each shard; ``advanced`` is told tokens, never two calls at once.

    As many shards at a time as there are threads, and as their texts, which are read at random, stay in memory.

    Raises:
        EngineKilledError: a process was killed.
    """
    threads = threads or len(os.sched_getaffinity(0))
    at_once = _at_once(directory, shards, threads)
    children: list[subprocess.Popen[bytes]] = []
    lock, stopped = threading.Lock(), threading.Event()

    def started(child: "subprocess.Popen[bytes]") -> None:
        children.append(child)
        if stopped.is_set():
            child.kill()

    def tell(num_tokens: int) -> None:
        with lock:
            advanced(num_tokens)

    def inspect(shard: ShardManifest) -> ShardFindings:
        folder = directory / shard_folder(shard.shard)
        return _inspect_shard(folder, shard, inspection, max(1, threads // at_once), tell, started)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            return list(pool.map(inspect, shards))
        except BaseException:
            # Its threads end with their processes.
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for child in children:
                child.kill()
            raise


def _at_once(directory: Path, shards: Sequence[ShardManifest], threads: int) -> int:
    largest = max(((directory / shard_folder(shard.shard) / TOKENIZED).stat().st_size for shard in shards), default=1)
    return max(1, min(threads, len(shards), available_memory_bytes() // 2 // max(1, largest)))


def _inspect_shard(
    folder: Path,
    shard: ShardManifest,
    inspection: Inspection,
    threads: int,
    advanced: Callable[[int], None],
    started: Callable[["subprocess.Popen[bytes]"], None],
) -> ShardFindings:
    last = ""
    told = 0

    def hear(line: str) -> None:
        nonlocal last, told
        last = line
        if not line.startswith("{"):
            done, total = map(int, line.split())
            num_tokens = shard.num_tokens * done // max(1, total)
            advanced(num_tokens - told)
            told = num_tokens

    options = (str(inspection.share), str(inspection.seed), str(inspection.max_problems))
    findings = ShardFindings()
    try:
        call_engine(
            "verify",
            folder,
            token_width=shard.token_width,
            num_threads=threads,
            heard=hear,
            options=options,
            started=started,
        )
    except EngineCallError as error:
        findings.problems.append(VerificationError(_advised(str(error), folder, shard)))
        advanced(shard.num_tokens - told)
        return findings
    advanced(shard.num_tokens - told)
    found = json.loads(last)
    if (found["num_tokens"], found["num_documents"]) != (shard.num_tokens, shard.num_documents):
        findings.problems.append(
            VerificationError(
                f"{folder}: files hold {found['num_tokens']} tokens in {found['num_documents']} documents, "
                f"the manifest says {shard.num_tokens} in {shard.num_documents}"
            )
        )
    findings.problems += [VerificationError(_advised(problem, folder, shard)) for problem in found["problems"]]
    ranks_per_page = _PAGE_CONTENT_BYTES // (1 + shard.token_width) // 2 * 2
    runs = {
        "documents": _DOCUMENTS_PER_RUN,
        "ranks": _PAGES_PER_RUN * ranks_per_page,
        "sidecar pages": _PAGES_PER_RUN,
    }
    findings.looked_at = [
        LookedAt(kind, looked_at, total, runs.get(kind, 1)) for kind, looked_at, total in found["looked_at"]
    ]
    return findings


def _advised(message: str, folder: Path, shard: ShardManifest) -> str:
    """Returns a message of the engine; of a sidecar, with the command that builds that of this shard again."""
    if any(f"{folder / name}:" in message for name in SIDECARS):
        return f"{without_advice(message)}; {rebuild_advice(shard.shard)}"
    return message
