"""What protection costs: the same traces over gRPC through Ray with none, and with one kind after the other on top.

Each cluster runs beside one without any protection, and the two are asked in turn, so that whatever else the machine
does weighs on both alike.
"""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import yaml
from rich.console import Console

import headwater
from bench.certificates import Authority
from bench.conversations import Conversation, read_conversations
from bench.corpus import inputs
from bench.options import BenchOptions
from bench.report import Report, percentile
from coordinator.access.keyring import hash_of, new_key
from coordinator.corpus import DEFAULT_NAME
from coordinator.results import Span, Trace
from coordinator.takedown_list import KeptTakedown, TakedownList
from coordinator.takedowns import Takedown
from headwater.connection import Connection
from headwater.local_cluster import LocalCluster
from headwater.remote import RemoteIndex
from headwater.remote_admin import RemoteAdmin
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest
from index_format.takedown_resolution import TakedownFinder, content_of
from index_format.takedowns import ContentTarget

_SHARDS = 4
# The first requests open connections and fill caches in the coordinator's replica.
_WARM_UP_CONVERSATIONS = 10
_NUM_TAKEDOWNS = 100_000
# All protections together are measured with so many starts of the clusters: from one to the next the same code takes
# some percent more or less.
_STARTS = 5
# How often two more are added, and how long at most that may take.
_ADDITIONS = 5
_TIMEOUT_S = 60.0
# Every trace anew, and documents as they are.
_BARE: Mapping[str, object] = {"result_cache_bytes": 0, "redaction": "off"}


@dataclass(frozen=True, slots=True)
class Protection:
    """Settings of a cluster and of its clients.

    Attributes:
        name: What the table calls it.
        figure: What its figure begins with.
        coordinator: Settings of the coordinator.
        shards: Settings of the shard servers.
        client: Arguments of `headwater.connect`.
        hides: Whether answers are others than without it: takedowns are in force.
        admin_key: Key of an administrator; empty if there are no keys.
    """

    name: str
    figure: str
    coordinator: Mapping[str, object] = field(default_factory=lambda: dict(_BARE))
    shards: Mapping[str, object] = field(default_factory=dict)
    client: Mapping[str, Any] = field(default_factory=dict)
    hides: bool = False
    admin_key: str = ""

    def with_more(self, other: "Protection") -> "Protection":
        """Returns both together, under the name of ``other``."""
        return Protection(
            other.name,
            other.figure,
            {**self.coordinator, **other.coordinator},
            {**self.shards, **other.shards},
            {**self.client, **other.client},
            self.hides or other.hides,
            self.admin_key or other.admin_key,
        )


@dataclass(slots=True)
class Measured:
    """What was measured with one protection.

    Attributes:
        bare_ms: Milliseconds of all traces without it.
        protected_ms: The same with it.
        in_force_s: Seconds until all servers obey two takedowns more; none where no takedowns are in force.
        failures: What differs.
    """

    bare_ms: list[float] = field(default_factory=list)
    protected_ms: list[float] = field(default_factory=list)
    in_force_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def overhead(self) -> float:
        """How much longer the median trace takes, as a share."""
        return percentile(self.protected_ms, 50) / percentile(self.bare_ms, 50) - 1


def run(options: BenchOptions, console: Console) -> Report:
    """Times every conversation with each protection, in turn with none."""
    given = inputs(options.index, options.conversations, shards=(_SHARDS,), console=console)
    [directory] = given.directories
    conversations = read_conversations(given.conversations)
    rows, figures, failures = [], {}, []
    with _beside_none(directory) as (bare, scratch):
        for protection in protections(scratch, directory):
            with console.status(f"tracing with {protection.name}"):
                measured = _measure(directory, bare, protection, conversations, options.passes)
            failures += measured.failures
            rows += [_row("no protection beside it", measured.bare_ms), _row(protection.name, measured.protected_ms)]
            figures[f"{protection.figure}_overhead"] = measured.overhead
    together = [measured]
    while len(together) < _STARTS:
        with _beside_none(directory) as (bare, scratch):
            *_, protection = protections(scratch, directory)
            with console.status(f"tracing with all of them, start {len(together) + 1} of {_STARTS}"):
                together.append(_measure(directory, bare, protection, conversations, options.passes))
        failures += together[-1].failures
    overheads = [measured.overhead for measured in together]
    figures["trust_overhead"] = median(overheads)
    figures["trust_ms_p50"] = median(percentile(measured.protected_ms, 50) for measured in together)
    figures["takedown_in_force_s"] = median(took_s for measured in together for took_s in measured.in_force_s)
    return Report(
        title=f"trace of {len(conversations)} answers over gRPC through Ray, {_SHARDS} shards, warm, with protection",
        columns=("milliseconds", "p50", "p95", "p99"),
        rows=rows,
        figures=figures,
        failures=failures,
        notes=[
            f"{options.passes} traces of each conversation with either, in turn; both clusters and the client share "
            "this machine",
            "overheads are of the medians, as shares; each row has the protections of those above it",
            f"trust_overhead: all of them together, the median of {_STARTS} starts of both clusters, which differ: "
            + ", ".join(f"{overhead:.3f}" for overhead in overheads),
            "takedown_in_force_s: from the call that adds two to those until all servers obey, the median",
        ],
    )


@contextmanager
def _beside_none(directory: Path) -> Iterator[tuple[LocalCluster, Path]]:
    """Starts a cluster without protection, and yields it with a folder for the files of others."""
    with (
        tempfile.TemporaryDirectory(prefix="hw-trust-") as scratch,
        LocalCluster(directory, coordinator_settings=_BARE) as bare,
    ):
        yield bare, Path(scratch)


def protections(directory: Path, index: Path) -> Iterator[Protection]:
    """Yields each protection together with those before it. Files that they need go into ``directory``."""
    protection = Protection("none", "none")
    for more in (_tls(directory), _keys(directory), _redaction(), _takedowns(directory, index)):
        protection = protection.with_more(more)
        yield protection


def _tls(directory: Path) -> Protection:
    authority = Authority(directory)
    server, client = authority.issue("server"), authority.issue("client")
    wants = {"tls_cert": server.certificate, "tls_key": server.key, "tls_client_ca": authority.path}
    shows = {
        "shard_tls_ca": authority.path,
        "shard_tls_cert": client.certificate,
        "shard_tls_key": client.key,
    }
    return Protection(
        "mutual TLS to the coordinator and to the shards",
        "tls",
        {**wants, **shows},
        wants,
        {"ca": authority.path, "certificate": client.certificate, "key": client.key},
    )


def _keys(directory: Path) -> Protection:
    key, admin_key = new_key(), new_key()
    caller = {
        "id": "caller",
        "roles": ["trace"],
        "secrets": [{"sha256": hash_of(key).hex()}],
        # Counted as always, and never used up by the same traces again and again.
        "limits": {"tokens_of_a_document_per_day": 10**9, "document_bytes_per_day": 10**15, "tokens_per_s": 10**9},
    }
    admin = {"id": "admin", "roles": ["admin"], "secrets": [{"sha256": hash_of(admin_key).hex()}]}
    path = directory / "keys.yaml"
    path.write_text(yaml.safe_dump({"keys": [caller, admin]}))
    return Protection(
        "... and API keys with budgets", "keys", {"keys_file": path}, {}, {"api_key": key}, admin_key=admin_key
    )


def _redaction() -> Protection:
    return Protection("... and redaction", "redaction", {"redaction": "redact"})


def _takedowns(directory: Path, index: Path) -> Protection:
    """Takes down every fourth document; the other takedowns concern documents that the index does not have."""
    contents = [
        ContentTarget(hashlib.sha256(number.to_bytes(4)).hexdigest(), 1_000_000 + number)
        for number in range(_NUM_TAKEDOWNS)
    ]
    manifest = IndexManifest.load(index)
    place = 0
    for shard in manifest.load_shards(index):
        finder = TakedownFinder(index / shard_folder(shard.shard), manifest.index_id, shard)
        for number in range(0, shard.num_documents, 4):
            contents[place] = content_of(finder.token_ids(number))
            place += 1
    kept = tuple(KeptTakedown(f"bench-{number}", content) for number, content in enumerate(contents))
    path = directory / "takedowns.json"
    path.write_bytes(TakedownList(1, kept).to_json())
    return Protection(
        f"... and {_NUM_TAKEDOWNS:,} takedowns, of {place:,} documents here",
        "takedown",
        {"takedown_file": path, "takedown_timeout_ms": 120_000},
        {"state_dir": directory / "state"},
        hides=True,
    )


def _measure(
    directory: Path, bare: LocalCluster, protection: Protection, conversations: Sequence[Conversation], passes: int
) -> Measured:
    measured = Measured()
    with (
        LocalCluster(
            directory, coordinator_settings=protection.coordinator, shard_settings=protection.shards
        ) as cluster,
        headwater.connect(bare.grpc_target) as plain,
        headwater.connect(cluster.grpc_target, **protection.client) as protected,
    ):
        for conversation in conversations[:_WARM_UP_CONVERSATIONS]:
            _timed(plain, conversation)
            _timed(protected, conversation)
        for number in range(passes):
            # The first of two finds the processor's caches as another request left them: each is it in turn.
            turns = [(plain, measured.bare_ms), (protected, measured.protected_ms)]
            for conversation in conversations:
                traces = {}
                for index, milliseconds in turns if number % 2 == 0 else reversed(turns):
                    traces[index], taken_ms = _timed(index, conversation)
                    milliseconds.append(taken_ms)
                if number == 0 and not protection.hides and _spans(traces[plain]) != _spans(traces[protected]):
                    measured.failures.append(f"{conversation.id}: other spans with {protection.name}")
        if protection.hides:
            _add_takedowns(cluster, protection, measured)
    return measured


def _add_takedowns(cluster: LocalCluster, protection: Protection, measured: Measured) -> None:
    """Takes two documents more down, again and again; each answer says whether all servers obey."""
    connection = Connection(**{**protection.client, "api_key": protection.admin_key})
    with RemoteAdmin(cluster.grpc_target, connection) as admin:
        for number in range(_ADDITIONS):
            added = [Takedown(document=f"{DEFAULT_NAME}:{shard}:{4 * number + 1}") for shard in range(2)]
            began = perf_counter()
            state = admin.add_takedowns(added, timeout_s=_TIMEOUT_S).state
            measured.in_force_s.append(perf_counter() - began)
            measured.failures += [
                f"{replica.address}: {replica.problem}" for replica in state.replicas if replica.problem
            ]


def _spans(trace: Trace) -> list[tuple[int, int, int]]:
    def key(span: Span) -> tuple[int, int, int]:
        return span.start, span.end, span.count

    return [key(span) for span in trace.spans]


def _timed(index: RemoteIndex, conversation: Conversation) -> tuple[Trace, float]:
    began = perf_counter()
    trace = index.trace(conversation.response, conversation.prompt)
    return trace, (perf_counter() - began) * 1000


def _row(name: str, values: Sequence[float]) -> list[str]:
    return [name, *(f"{percentile(values, p):.2f}" for p in (50, 95, 99))]
