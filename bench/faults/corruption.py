"""A byte of an index file changes: seen by verify, refused at the start, and noticed by a server that runs."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import grpc

from bench.faults.cluster import FaultCluster
from bench.faults.scenario import Scenario
from bench.faults.shard_replica import ShardReplica
from bench.faults.timeline import Timeline
from index_format.layout import CORE_FILES, FAN_OUT, SIDECARS, TOKENIZED, shard_folder
from protos.shard.v1 import shard_pb2, shard_pb2_grpc

_SHARD, _REPLICA = 0, 1
_VERIFY_S = 60.0
_NOTICE_S = 10.0
# Until every coordinator has been told, and keeps no answer of before.
_TELLING_S = 0.5
_POLL_S = 0.1


def refused_at_start(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Flips one byte in each file of a stopped replica's copy: verify and a server that checks sums both name it."""
    replica = cluster.replicas[_SHARD][_REPLICA]
    folder = replica.index / shard_folder(_SHARD)
    checking = cluster.replica_like(replica, {"--check-files": "checksums"})
    timeline.strike()
    replica.stop()
    wrong = []
    for name in (*CORE_FILES, *SIDECARS):
        with flipped(folder / name, _anywhere(folder / name)):
            wrong += _verify(replica.index, name)
            wrong += _refusal(checking, name)
    with flipped(folder / FAN_OUT, 0):
        wrong += _refusal(replica, FAN_OUT)
    timeline.strike()
    replica.restart()
    return wrong


def noticed_while_running(cluster: FaultCluster, timeline: Timeline) -> Sequence[str]:
    """Flips a byte under a replica that scrubs its files: it says so, and serves no longer.

    Until then what it answers from that byte may be wrong; nothing of it is kept after that.
    """
    replica = cluster.replicas[_SHARD][_REPLICA]
    path = replica.index / shard_folder(_SHARD) / TOKENIZED
    scrubbing = cluster.replica_like(replica, {"--scrub-interval-s": "0.5", "--scrub-mb-per-s": "50"})
    timeline.strike()
    replica.stop()
    scrubbing.restart()
    cluster.settle()
    began = timeline.strike()
    with flipped(path, _anywhere(path)):
        while _answers(replica) and time.monotonic() < began + _NOTICE_S:
            time.sleep(_POLL_S)
        took = time.monotonic() - began
        timeline.unnoticed.append((began, began + took + _TELLING_S))
        scrubbing.kill()
    replica.restart()
    return () if took < _NOTICE_S else (f"a flipped byte was not noticed within {_NOTICE_S:.0f} s",)


SCENARIOS = (
    Scenario("a byte of each index file flipped, before a start", refused_at_start),
    Scenario("a byte flipped under a server that scrubs", noticed_while_running),
)


@contextmanager
def flipped(path: Path, offset: int) -> Iterator[None]:
    """Changes one byte of a file while the block runs."""
    _flip(path, offset)
    try:
        yield
    finally:
        _flip(path, offset)


def _flip(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        [byte] = file.read(1)
        file.seek(offset)
        file.write(bytes([byte ^ 0x01]))


def _anywhere(path: Path) -> int:
    return random.Random(path.name).randrange(path.stat().st_size)


def _verify(index: Path, name: str) -> list[str]:
    """Returns what is wrong with what ``headwater index verify`` says of an index with a damaged file."""
    command = [sys.executable, "-m", "headwater.cli", "index", "verify", str(index)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_VERIFY_S, check=False)
    if done.returncode == 0:
        return [f"verify does not see a flipped byte in {name}"]
    return [] if name in done.stderr + done.stdout else [f"verify does not name {name}, which has a flipped byte"]


def _refusal(replica: ShardReplica, name: str) -> list[str]:
    """Returns what is wrong with how a server refuses to start over a damaged file."""
    said = replica.start_in_vain()
    if said is None:
        return [f"a server starts over {name}, which has a flipped byte"]
    return [] if name in said else [f"a server refuses {name}, which has a flipped byte, without naming it"]


def _answers(replica: ShardReplica) -> bool:
    with grpc.insecure_channel(replica.listen) as channel:
        try:
            shard_pb2_grpc.ShardServiceStub(channel).Describe(shard_pb2.DescribeRequest(), timeout=2.0)
        except grpc.RpcError as error:
            return error.code() is not grpc.StatusCode.DATA_LOSS
    return True
