"""The cluster that is maltreated: 3 shards x 2 replicas behind fault proxies, and a coordinator with keys on Ray."""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
import yaml

from bench.errors import BenchError
from bench.faults.coordinator_process import CoordinatorProcess
from bench.faults.history import History
from bench.faults.indexes import NUM_SHARDS, Indexes
from bench.faults.namespaces import Namespace
from bench.faults.proxy import FaultProxy, ProxyThread
from bench.faults.shard_replica import ShardReplica
from coordinator.access.keyring import hash_of, new_key
from coordinator.access.roles import Role
from coordinator.local.free_ports import free_ports
from index_format.manifest import IndexManifest
from protos.coordinator.v1 import coordinator_pb2 as pb
from protos.coordinator.v1 import coordinator_pb2_grpc

CORPUS = "made-up"
REPLICAS = 2
COORDINATOR_REPLICAS = 2
# In a namespace, if there is one; reached without a proxy, so that the coordinator's own connection is cut.
NAMESPACED = (2, 1)
# On a machine that is busy with starting servers, a call takes a second, and some twenty must agree.
_SETTLE_S = 90.0
_POLL_S = 0.05
_STATUS_S = 5.0
_FULL = "RESOURCE_EXHAUSTED"
_MOST_REFUSALS = 20


class FaultCluster:
    """Everything that runs, while the ``with`` block does.

    Attributes:
        coordinator: The coordinator.
        replicas: The shard servers, by shard and then replica.
        proxies: The links to them, in the same order; None where there is no proxy.
        namespace: The namespace of the replica `NAMESPACED`, if the machine allows it.
        indexes: What is served.
        served: The directories that the cluster file named, and when all coordinators had followed.
        api_key: A key with every role.
    """

    def __init__(self, indexes: Indexes, namespace: Namespace | None, settings: Mapping[str, str]):
        """Takes what to serve; nothing is started yet.

        Args:
            indexes: A copy for each replica.
            namespace: A namespace that exists, for one of the replicas.
            settings: Settings of the coordinator, by environment variable.
        """
        self.indexes = indexes
        self.namespace = namespace
        self._settings = dict(settings)
        self._stack = ExitStack()
        self._never = threading.Event()
        self.served: History[Path] = History(indexes.copies[0])
        self.api_key = new_key()
        self.replicas: list[list[ShardReplica]] = []
        self.proxies: list[list[FaultProxy | None]] = []
        self.links: ProxyThread

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        # Ray and HAProxy put sockets some 80 characters deeper, and the path of one has at most 97 characters.
        self._directory = Path(tempfile.mkdtemp(prefix="hw-", dir="/tmp"))
        self._stack.callback(shutil.rmtree, self._directory, ignore_errors=True)
        self.links = self._stack.enter_context(ProxyThread())
        self.replicas = self.start_replicas(self.indexes.copies, in_namespace=True)
        self.proxies = [[self._proxy(replica) for replica in replicas] for replicas in self.replicas]
        self._cluster_file = self._directory / "cluster.yaml"
        self.serve(self.indexes.copies[0], self.addresses())
        self.coordinator = CoordinatorProcess(
            self._cluster_file,
            self._directory,
            replicas=COORDINATOR_REPLICAS,
            settings={**self._access_settings(), **self._settings},
        )
        self._stack.callback(self.coordinator.end)
        self.coordinator.wait_until_ready()
        self._channel = self._stack.enter_context(grpc.insecure_channel(self.coordinator.target))
        self._stub = coordinator_pb2_grpc.CoordinatorServiceStub(self._channel)

    def _access_settings(self) -> dict[str, str]:
        """Returns the settings for keys and takedowns, with a file of the one key."""
        keys_file = self._directory / "keys.json"
        holder = {
            "id": "faults",
            "roles": [role.value for role in Role],
            "secrets": [{"sha256": hash_of(self.api_key).hex()}],
            # The same few documents are shown again and again.
            "limits": {"tokens_of_a_document_per_day": 0},
        }
        keys_file.write_text(json.dumps({"keys": [holder]}))
        return {
            "HEADWATER_COORDINATOR_KEYS_FILE": str(keys_file),
            "HEADWATER_COORDINATOR_TAKEDOWN_FILE": str(self._directory / "takedowns.json"),
        }

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What a gRPC call shows the coordinator."""
        return (("authorization", f"Bearer {self.api_key}"),)

    def start_replicas(self, indexes: Sequence[Path], *, in_namespace: bool = False) -> list[list[ShardReplica]]:
        """Starts a server of every shard for each directory, and returns them by shard once they answer."""
        replicas = self.new_replicas(indexes, in_namespace=in_namespace)
        self.start(replicas)
        return replicas

    def new_replicas(self, indexes: Sequence[Path], *, in_namespace: bool = False) -> list[list[ShardReplica]]:
        """Returns a server of every shard for each directory, by shard, not started yet."""
        ports = iter(free_ports(NUM_SHARDS * len(indexes)))
        replicas: list[list[ShardReplica]] = [[] for _ in range(NUM_SHARDS)]
        for shard, row in enumerate(replicas):
            for number, index in enumerate(indexes):
                space = self.namespace if in_namespace and (shard, number) == NAMESPACED else None
                host, prefix = (space.address, space.command(())) if space is not None else ("127.0.0.1", [])
                listen = f"{host}:{next(ports)}"
                row.append(ShardReplica(shard, number, index, listen, self._directory, prefix=prefix))
                self._stack.callback(row[-1].end)
        return replicas

    def start(self, replicas: Sequence[Sequence[ShardReplica]]) -> None:
        """Starts servers all at once, and returns when they answer."""
        starting = [replica for row in replicas for replica in row]
        for replica in starting:
            replica.start()
        for replica in starting:
            replica.wait_until_ready()

    def stop_replicas(self, replicas: Sequence[Sequence[ShardReplica]]) -> None:
        """Stops servers as an operator does, all at once."""
        stopping = [replica for row in replicas for replica in row]
        for replica in stopping:
            replica.begin_stop()
        for replica in stopping:
            replica.finish_stop()

    def replica_like(self, replica: ShardReplica, settings: Mapping[str, str]) -> ShardReplica:
        """Returns a server that is not started yet, of the same shard at the same address, with other settings."""
        other = replica.with_settings(settings)
        self._stack.callback(other.end)
        return other

    def addresses(self) -> list[list[str]]:
        """Returns where the coordinator finds the replicas that it started with, by shard: at their proxies."""
        return [
            [proxy.address if proxy is not None else replica.listen for replica, proxy in zip(row, links, strict=True)]
            for row, links in zip(self.replicas, self.proxies, strict=True)
        ]

    def serve(self, index: Path, addresses: Sequence[Sequence[str]]) -> None:
        """Writes the cluster file: an index, and the replicas of its shards. `settle` waits until it is followed."""
        shards = [{"shard": shard, "replicas": list(replicas)} for shard, replicas in enumerate(addresses)]
        self.served.begin(index)
        self.write_cluster_file(yaml.safe_dump({"corpora": [{"name": CORPUS, "index": str(index), "shards": shards}]}))

    def write_cluster_file(self, content: str) -> None:
        """Replaces the content of the cluster file, in one step."""
        beside = self._cluster_file.with_suffix(".new")
        beside.write_text(content)
        beside.replace(self._cluster_file)

    def describe(self) -> pb.CorpusDescription:
        """Returns what a coordinator says of the corpus; which replica of it answers is up to chance."""
        [corpus] = self._stub.Describe(
            pb.DescribeRequest(timeout_ms=2_000), timeout=4.0, metadata=self.metadata
        ).description.corpora
        return corpus

    def status_of_trace(self, *, require_complete: bool) -> str:
        """Traces once and returns the name of the status; where the queue is full, it comes back a little later.

        No cache knows the answer: the prompt is one of its own.
        """
        request = pb.TraceRequest(
            answer=self.indexes.answers[0],
            prompt=f"status {time.monotonic_ns()}",
            timeout_ms=round(_STATUS_S * 1000),
            require_complete=require_complete,
        )
        name = _FULL
        for _ in range(_MOST_REFUSALS):
            try:
                self._stub.Trace(request, timeout=2 * _STATUS_S, metadata=self.metadata)
            except grpc.RpcError as error:
                name = error.code().name
            else:
                return "OK"
            if name != _FULL:
                return name
            self._never.wait(_POLL_S)
        return name

    def settle(self) -> None:
        """Returns once the cluster is as the cluster file says: every replica usable, every coordinator told.

        Raises:
            BenchError: it did not become so.
        """
        deadline = time.monotonic() + _SETTLE_S
        good, found = 0, "no answer"
        while good < 10 * COORDINATOR_REPLICAS:
            if time.monotonic() > deadline:
                raise BenchError(f"the cluster did not settle within {_SETTLE_S:.0f} s: {found}")
            found = self._state()
            good = good + 1 if not found else 0
            if found:
                self._never.wait(_POLL_S)
        self.served.settled()

    def _state(self) -> str:
        """Returns what is amiss, or nothing."""
        try:
            corpus = self.describe()
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        wanted = IndexManifest.load(self.served.latest).index_id
        if corpus.index_id != wanted:
            return f"index {corpus.index_id} is served, expected {wanted}"
        unusable = [shard.shard for shard in corpus.shards if shard.usable_replicas < shard.replicas]
        if corpus.failed_shards or unusable:
            return (
                f"shards without all replicas: {unusable}, without any: {[one.shard for one in corpus.failed_shards]}"
            )
        replicas = len(self.coordinator.replicas())
        return "" if replicas == COORDINATOR_REPLICAS else f"{replicas} replicas of the coordinator"

    def _proxy(self, replica: ShardReplica) -> FaultProxy | None:
        if not replica.listen.startswith("127.0.0.1:"):
            return None
        return self.links.open(replica.endpoint)
