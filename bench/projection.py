"""What a corpus of trillions of tokens would take: a model of what is measured here, none of it measured there.

reads a trace   = answer tokens x starts a token x reads a start and shard x shards + reads of the windows
disk time       = reads a trace on one server's disk / reads a second of that disk
RAM             = directory bytes a token x tokens
disk            = bytes a token of each file x tokens
cost a month    = replicas x (disk x its price + RAM x its price + cores x their price)
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

import headwater
import suffix_engine
from bench.acceleration import require_accelerated
from bench.conversations import Conversation, read_conversations
from bench.corpus import inputs
from bench.options import BenchOptions
from bench.report import Report
from bench.sizes import tenfold_corpus
from coordinator.results import Trace
from index_format.layout import FAN_OUT, shard_folder
from index_format.manifest import IndexManifest


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured on the index at hand, means over the conversations.

    Attributes:
        on_tokens: In the index measured.
        starts_per_token: Suffixes searched for, of the tokens of an answer.
        reads_per_suffix: Random reads of the search for one of them in one shard.
        window_reads: Random reads of fetching all windows of a trace.
        text_bytes_per_token: Width of a token.
        fanout_bytes_per_token: Of the fan-out, on disk.
        directory_bytes_per_token: Of the directory, on disk and in RAM.
    """

    on_tokens: int
    starts_per_token: float
    reads_per_suffix: float
    window_reads: float
    text_bytes_per_token: int
    fanout_bytes_per_token: float
    directory_bytes_per_token: float


@dataclass(frozen=True, slots=True)
class Assumed:
    """What the projection takes from elsewhere: OLMoTrace's corpus and servers as published, and list prices.

    Attributes:
        tokens: In the corpus of OLMo 2 32B.
        shards: It was indexed in.
        servers: That share the shards evenly, each with a disk of its own.
        answer_tokens: Mean length of OLMoTrace's 98 answers.
        metadata_bytes_per_token: Of OLMoTrace's 8.4 bytes a token, those beyond text (2) and table (5).
        infini_gram_reads_per_token: 12 shards x 40 steps x 2 reads, as the paper counts them.
        network_disk_reads: A second; OLMoTrace's network disk.
        local_disk_reads: A second; one local NVMe disk.
        replicas: Of the whole, as OLMoTrace runs.
        cores: Of one replica, as OLMoTrace runs.
        disk_dollars_per_tb: A month; a cloud's network SSD.
        ram_dollars_per_gb: A month.
        core_dollars: A month.
    """

    tokens: float = 4.611e12
    shards: int = 12
    servers: int = 1
    answer_tokens: float = 458
    metadata_bytes_per_token: float = 1.4
    infini_gram_reads_per_token: float = 960
    network_disk_reads: float = 80_000
    local_disk_reads: float = 500_000
    replicas: int = 2
    cores: int = 64
    disk_dollars_per_tb: float = 170
    ram_dollars_per_gb: float = 3.1
    core_dollars: float = 23


@dataclass(frozen=True, slots=True)
class Projected:
    """What follows from the two. Bytes and reads are of one replica."""

    search_reads: float
    window_reads: float
    infini_gram_reads: float
    network_disk_ms: float
    local_disk_ms: float
    infini_gram_network_disk_ms: float
    ram_bytes: float
    disk_bytes: float
    core_disk_bytes: float
    dollars_a_month: float


def project(measured: Measured, assumed: Assumed) -> Projected:
    """Applies the model in this module's first lines."""
    starts = assumed.answer_tokens * measured.starts_per_token
    search_reads = starts * measured.reads_per_suffix * assumed.shards
    reads_per_server = (search_reads + measured.window_reads) / assumed.servers
    infini_gram_reads = assumed.answer_tokens * assumed.infini_gram_reads_per_token
    core = measured.text_bytes_per_token + _pointer_bytes(measured, assumed) + assumed.metadata_bytes_per_token
    sidecars = measured.fanout_bytes_per_token + measured.directory_bytes_per_token
    ram_bytes = measured.directory_bytes_per_token * assumed.tokens
    disk_bytes = (core + sidecars) * assumed.tokens
    return Projected(
        search_reads=search_reads,
        window_reads=measured.window_reads,
        infini_gram_reads=infini_gram_reads,
        network_disk_ms=1000 * reads_per_server / assumed.network_disk_reads,
        local_disk_ms=1000 * reads_per_server / assumed.local_disk_reads,
        infini_gram_network_disk_ms=1000 * infini_gram_reads / assumed.servers / assumed.network_disk_reads,
        ram_bytes=ram_bytes,
        disk_bytes=disk_bytes,
        core_disk_bytes=core * assumed.tokens,
        dollars_a_month=assumed.replicas
        * (
            disk_bytes / 1e12 * assumed.disk_dollars_per_tb
            + ram_bytes / 1e9 * assumed.ram_dollars_per_gb
            + assumed.cores * assumed.core_dollars
        ),
    )


def run(options: BenchOptions, console: Console) -> Report:
    """Measures what the model needs, on the largest index at hand, and prints it, the assumptions and the result."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    if options.index is None and options.large:
        directory = tenfold_corpus(console)
    require_accelerated(directory)
    with console.status(f"measuring on {directory.name}"):
        measured, failures = _measure(directory, conversations)
    assumed = Assumed()
    projected = project(measured, assumed)
    return Report(
        title=f"projection to {assumed.tokens:.4g} tokens in {assumed.shards} shards: a model, not a measurement",
        columns=("", "value", ""),
        rows=[
            *([name, _number(getattr(measured, name)), "measured here"] for name in Measured.__slots__),
            *([name, _number(getattr(assumed, name)), "assumed"] for name in Assumed.__slots__),
            *([name, _number(getattr(projected, name)), "projected"] for name in Projected.__slots__),
        ],
        figures={
            "projected_reads": projected.search_reads + projected.window_reads,
            "projected_network_disk_ms": projected.network_disk_ms,
            "projected_local_disk_ms": projected.local_disk_ms,
            "projected_ram_gb": projected.ram_bytes / 1e9,
            "projected_disk_tb": projected.disk_bytes / 1e12,
        },
        failures=failures,
        notes=(
            "disk times: every read from the disk, none from the page cache, and the disk busy all the while; "
            "processor time comes on top (see 'trace')",
            "prices are assumptions about one cloud's list, made to compare and not to plan with",
        ),
    )


def _measure(directory: Path, conversations: Sequence[Conversation]) -> tuple[Measured, list[str]]:
    with headwater.open(directory) as index:
        traces = [index.trace(one.response, one.prompt) for one in conversations]
    manifest = IndexManifest.load(directory)
    folders = [directory / shard_folder(number) for number in range(manifest.num_shards)]
    pool = suffix_engine.ThreadPool(1)
    directories = [
        suffix_engine.ShardIndex.open(folder, token_width=manifest.token_width, pool=pool).directory_bytes
        for folder in folders
    ]
    return Measured(
        on_tokens=manifest.num_tokens,
        starts_per_token=sum(one.stats.suffixes for one in traces) / sum(one.num_tokens for one in traces),
        reads_per_suffix=statistics.fmean(one.stats.reads_per_suffix for one in traces),
        window_reads=statistics.fmean(one.stats.retrieval_reads.total for one in traces),
        text_bytes_per_token=manifest.token_width,
        fanout_bytes_per_token=sum((folder / FAN_OUT).stat().st_size for folder in folders) / manifest.num_tokens,
        directory_bytes_per_token=sum(directories) / manifest.num_tokens,
    ), _incomplete(traces, conversations)


def _incomplete(traces: Sequence[Trace], conversations: Sequence[Conversation]) -> list[str]:
    return [
        f"{conversation.id}: {trace.coverage.failed_shards}"
        for trace, conversation in zip(traces, conversations, strict=True)
        if not trace.coverage.complete
    ]


def _pointer_bytes(measured: Measured, assumed: Assumed) -> int:
    """Returns the bytes of an entry of the table: as many as the offsets into one shard's text take."""
    return math.ceil(math.log2(measured.text_bytes_per_token * assumed.tokens / assumed.shards) / 8)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if value < 1e5 else f"{value:.4g}"
