"""What a build of some size takes: disk, memory and hours, worked out from measured rates before there is a corpus.

Sizes come from the functions that the build itself uses; hours from `measured_rates.py`.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

from index_format.layout import MAX_SHARDS
from indexing.disk_needs import DiskNeeds, sidecar_bytes, table_bytes
from indexing.errors import MemoryBudgetError, PlanError
from indexing.measured_rates import MEASURED_RATES, Rates
from indexing.sorting import SortPlan, plan_sort
from suffix_engine import fan_out_bytes, merge_memory_bytes

# Of the corpora that OLMo models were trained on: about 1,400 tokens a document.
DEFAULT_DOCUMENT_TOKENS = 1400
# As of web pages with a path, a line number and a source.
DEFAULT_LINE_BYTES = 120
# Of the directory, held in RAM, by token width: measured on real text (docs/index-format.md).
_DIRECTORY_BYTES = {1: 0.015, 2: 0.019, 4: 0.044}
_UNIGRAM_BYTES = 12


@dataclass(frozen=True, slots=True)
class CorpusSize:
    """How large a corpus is. ``num_tokens`` counts positions, a separator a document too."""

    num_tokens: int
    token_width: int
    num_documents: int
    line_bytes: int
    vocab_size: int = 100_000

    @classmethod
    def of_tokens(cls, num_tokens: int, token_width: int) -> "CorpusSize":
        """Returns a corpus of so many tokens, with documents and metadata as web pages have them."""
        num_documents = max(1, num_tokens // DEFAULT_DOCUMENT_TOKENS)
        return cls(num_tokens + num_documents, token_width, num_documents, num_documents * DEFAULT_LINE_BYTES)


@dataclass(frozen=True, slots=True)
class Machines:
    """What builds: ``memory_bytes`` is what the processes of a build may use on each node, ``cores`` are of each."""

    nodes: int
    cores: int
    memory_bytes: int

    def __post_init__(self) -> None:
        if min(self.nodes, self.cores, self.memory_bytes) < 1:
            raise PlanError(
                f"{self.nodes} nodes of {self.cores} cores and {self.memory_bytes} bytes, expected 1 and more"
            )


@dataclass(frozen=True, slots=True)
class StageTime:
    """How long a stage takes on all nodes, and what it waits for."""

    stage: str
    hours: float
    bound_by: str


@dataclass(frozen=True, slots=True)
class FileSize:
    """Bytes of one kind of file in all shards."""

    name: str
    size_bytes: int
    is_temporary: bool


@dataclass(frozen=True, slots=True)
class SizePlan:
    """What a build takes. Disk and ``serve_memory_bytes`` are of all nodes together, other memory is of each.

    ``sort_memory_bytes`` is the least that will do; ``merge_memory_bytes`` is with the shard's text, which is read from
    disk where that is more than there is.
    """

    corpus: CorpusSize
    machines: Machines
    has_duplicates: bool
    shards: int
    advised_shards: int
    shard_tokens: int
    parts: int
    files: tuple[FileSize, ...]
    index_bytes: int
    temporary_bytes: int
    peak_bytes: int
    node_peak_bytes: int
    sort_memory_bytes: int
    merge_memory_bytes: int
    serve_memory_bytes: int
    stages: tuple[StageTime, ...]
    hours: float
    notes: tuple[str, ...]
    rates: Rates


def plan_size(
    corpus: CorpusSize,
    machines: Machines,
    shards: int | None = None,
    *,
    has_duplicates: bool = False,
    rates: Rates = MEASURED_RATES,
) -> SizePlan:
    """Returns what a build of ``corpus`` takes on ``machines``, with the number of shards advised if none is given.

    Raises:
        PlanError: the number of shards or the token width cannot be.
        MemoryBudgetError: a shard cannot be sorted in this memory, in however many parts.
    """
    if corpus.token_width not in _DIRECTORY_BYTES:
        raise PlanError(f"token width {corpus.token_width}, expected 1, 2 or 4")
    advised = _advised_shards(corpus, machines)
    num_shards = advised if shards is None else shards
    if not 1 <= num_shards <= MAX_SHARDS:
        raise PlanError(f"{num_shards} shards, expected 1 to {MAX_SHARDS}")
    in_shard = math.ceil(corpus.num_tokens / num_shards)
    try:
        sorting = plan_sort(in_shard, corpus.token_width, machines.memory_bytes, machines.cores, None)
    except MemoryBudgetError as error:
        raise MemoryBudgetError(f"{error}; with {num_shards} shards, {advised} are advised for this memory") from error
    at_once = min(machines.nodes, num_shards)
    disk = DiskNeeds.of(
        corpus.num_tokens,
        corpus.token_width,
        corpus.num_documents,
        corpus.line_bytes,
        num_shards=num_shards,
        run_bytes=sorting.temporary_bytes * at_once,
        accelerate=True,
    )
    work = _Work(corpus, machines, num_shards, sorting, disk, has_duplicates, rates)
    stages = work.stages()
    return SizePlan(
        corpus=corpus,
        machines=machines,
        has_duplicates=has_duplicates,
        shards=num_shards,
        advised_shards=advised,
        shard_tokens=in_shard,
        parts=sorting.parts,
        files=_files(corpus, num_shards, disk),
        index_bytes=disk.index_bytes,
        temporary_bytes=disk.temporary_bytes,
        peak_bytes=disk.peak_bytes,
        node_peak_bytes=math.ceil(disk.peak_bytes / num_shards) * math.ceil(num_shards / machines.nodes),
        sort_memory_bytes=sorting.memory_bytes,
        merge_memory_bytes=_merge_memory_bytes(in_shard, corpus.token_width, sorting),
        serve_memory_bytes=_serve_memory_bytes(corpus, num_shards),
        stages=stages,
        hours=sum(stage.hours for stage in stages),
        notes=work.notes(),
        rates=rates,
    )


def _advised_shards(corpus: CorpusSize, machines: Machines) -> int:
    """Returns the fewest shards whose text stays in a node's memory while it is merged, all nodes having as many."""
    choices = range(machines.nodes, MAX_SHARDS + 1, machines.nodes)
    at = bisect_left(choices, True, key=lambda shards: _stays_in_memory(corpus, machines, shards))
    return choices[min(at, len(choices) - 1)]


def _stays_in_memory(corpus: CorpusSize, machines: Machines, shards: int) -> bool:
    in_shard = math.ceil(corpus.num_tokens / shards)
    try:
        sorting = plan_sort(in_shard, corpus.token_width, machines.memory_bytes, machines.cores, None)
    except MemoryBudgetError:
        return False
    return sorting.parts == 1 or _text_room(in_shard, corpus.token_width, sorting, machines) >= (
        in_shard * corpus.token_width
    )


def _text_room(in_shard: int, token_width: int, sorting: SortPlan, machines: Machines) -> int:
    """Returns the memory that is left for a shard's text while its parts are merged."""
    text_bytes = in_shard * token_width
    return max(0, machines.memory_bytes - _merge_memory_bytes(in_shard, token_width, sorting) + text_bytes)


def _merge_memory_bytes(in_shard: int, token_width: int, sorting: SortPlan) -> int:
    """Returns the memory that merging a shard takes with its text; 0 if there is nothing to merge."""
    if sorting.parts == 1:
        return 0
    return merge_memory_bytes(in_shard, token_width, sorting.parts, sorting.threads) + in_shard * token_width


def _files(corpus: CorpusSize, num_shards: int, disk: DiskNeeds) -> tuple[FileSize, ...]:
    in_shard, width = math.ceil(corpus.num_tokens / num_shards), corpus.token_width
    fan_out = fan_out_bytes(in_shard, width) * num_shards
    sizes = (
        ("tokenized", corpus.num_tokens * width),
        ("table", table_bytes(in_shard, width) * num_shards),
        ("offset, metaoff", 16 * corpus.num_documents),
        ("metadata", corpus.line_bytes),
        ("fanout", fan_out),
        ("directory, at most", sidecar_bytes(in_shard, width) * num_shards - fan_out),
    )
    temporary = (("tokenized corpus (chunks)", disk.chunk_bytes), ("sorted parts (runs)", disk.run_bytes))
    return tuple(
        [FileSize(name, size, False) for name, size in sizes] + [FileSize(name, size, True) for name, size in temporary]
    )


def _serve_memory_bytes(corpus: CorpusSize, num_shards: int) -> int:
    """Returns the RAM that servers of all shards hold; the page cache comes on top, as there is room."""
    mean = corpus.num_tokens / max(1, corpus.num_documents)
    starts = corpus.num_documents * (2 + math.log2(max(1, mean))) / 8
    unigrams = num_shards * corpus.vocab_size * _UNIGRAM_BYTES
    return int(corpus.num_tokens * _DIRECTORY_BYTES[corpus.token_width] + starts + unigrams)


@dataclass(frozen=True, slots=True)
class _Work:
    """A build to be timed."""

    corpus: CorpusSize
    machines: Machines
    shards: int
    sorting: SortPlan
    disk: DiskNeeds
    has_duplicates: bool
    rates: Rates

    @property
    def _cores(self) -> float:
        """Cores at work while shards are sorted: one shard a node at a time, so the last round may leave nodes idle."""
        rounds = math.ceil(self.shards / self.machines.nodes)
        return self.machines.cores * self.shards / rounds

    @property
    def _disks(self) -> float:
        return self._cores / self.machines.cores

    @property
    def missing(self) -> float:
        """The share of a shard's text that does not stay in memory beside what merging takes."""
        if self.sorting.parts == 1:
            return 0.0
        in_shard = math.ceil(self.corpus.num_tokens / self.shards)
        room = _text_room(in_shard, self.corpus.token_width, self.sorting, self.machines)
        return max(0.0, 1 - room / (in_shard * self.corpus.token_width))

    def stages(self) -> tuple[StageTime, ...]:
        """Returns the stages of the build, in order."""
        tokens, rates = self.corpus.num_tokens, self.rates
        all_cores = self.machines.cores * self.machines.nodes
        disk = self.disk
        runs = self.sorting.temporary_bytes * self.shards
        text = tokens * self.corpus.token_width
        reads = tokens * rates.merge_text_reads * self.missing
        merge = rates.merge_duplicates if self.has_duplicates else rates.merge
        stages = [
            self._stage("tokenize", tokens / rates.tokenize / all_cores, disk.chunk_bytes, 0, self.machines.nodes),
            self._stage("assemble", 0, disk.chunk_bytes + disk.core_bytes, 0, self._disks),
        ]
        seconds = tokens / rates.sort / self._cores
        if self.sorting.parts == 1:
            stages.append(self._stage("sort", seconds, text + disk.table_bytes, 0, self._disks))
        else:
            stages.append(self._stage("sort", seconds, text + runs, 0, self._disks))
            seconds = tokens / merge / self._cores
            stages.append(self._stage("merge", seconds, runs + disk.table_bytes, reads, self._disks))
        stages.append(
            self._stage("checksums", disk.index_bytes / rates.hash_bytes / all_cores, disk.index_bytes, 0, self._disks)
        )
        return tuple(stages)

    def _stage(self, name: str, core_seconds: float, size_bytes: float, reads: float, disks: float) -> StageTime:
        """Returns the time of a stage: of the cores or of the disk, whichever takes longer, and of random reads."""
        disk_seconds = size_bytes / self.rates.disk_bytes / disks
        read_seconds = reads / self.rates.disk_reads / disks
        seconds = max(core_seconds, disk_seconds) + read_seconds
        if read_seconds > max(core_seconds, disk_seconds):
            bound_by = "random reads of the disk"
        else:
            bound_by = "cores" if core_seconds >= disk_seconds else "disk"
        return StageTime(name, seconds / 3600, bound_by)

    def notes(self) -> tuple[str, ...]:
        """Returns what whoever plans should know."""
        notes = []
        if self.missing:
            notes.append(
                f"{self.missing:.0%} of a shard's text does not stay in memory and is read from disk at random: "
                "use more shards, or more memory a node"
            )
        if self.shards < self.machines.nodes:
            notes.append(f"{self.machines.nodes - self.shards} of the nodes sort nothing: there are fewer shards")
        if self.shards % self.machines.nodes and self.shards > self.machines.nodes:
            notes.append("the last round of shards leaves nodes idle: use a multiple of the nodes")
        return tuple(notes)
