"""The stages of a build between its corpus and its manifest, each a batch of tasks that may be continued."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from index_format.manifest import ShardManifest, write_durably
from index_format.tokenizer import JsonTokenizer, Tokenizer
from indexing.assembling import WrittenShard, assembling_memory_bytes
from indexing.budget import TOKENIZING_BYTES, check_tokenized, disk_needs
from indexing.chunks import Chunk
from indexing.disk_needs import DiskNeeds, tree_bytes
from indexing.documents import DocumentFields
from indexing.output import BuildDirectory
from indexing.plan import BuildPlan
from indexing.progress import Stages
from indexing.sorting import SortPlan, plan_sort, remove_lone_table
from indexing.sources import Corpus
from indexing.splits import Split, splits_of
from indexing.tasks import Task, TaskRunner
from indexing.token_types import separator_id
from indexing.tokenizing import choose_tokenizer
from indexing.tokenizing_task import Tokenizing
from indexing.units import assemble_unit, files_of, list_unit, merge_unit, sort_unit, tokenize_unit
from indexing.written_corpus import TokenizedCorpus, WrittenCorpus


@dataclass(frozen=True, slots=True)
class Building:
    """What the stages of one build share.

    Attributes:
        directory: Where it is built.
        runner: Who does the work.
        stages: Who is told.
        memory_bytes: Most memory of a process.
        threads: Threads of the engine; 0 means one a core.
        parts: Parts that each shard is sorted in; None for as few as the memory allows.
        accelerate: Whether shards get their sidecars.
        first_shard: Number of the first shard that is built.
    """

    directory: BuildDirectory
    runner: TaskRunner
    stages: Stages
    memory_bytes: int
    threads: int = 0
    parts: int | None = None
    accelerate: bool = True
    first_shard: int = 0


def write_corpus(
    plan: BuildPlan, corpus: Corpus, tokenizer: Tokenizer, token_width: int, building: Building
) -> WrittenCorpus:
    """Writes the core files of all shards, but for the tables, out of a corpus; at once if that was done before.

    Raises:
        SourceError: see `reading.read_documents`; or no document has a token.
        PlanError: there are fewer documents than shards.
        MemoryBudgetError, DiskFullError: the rest of the build cannot be done.
    """
    directory = building.directory
    folders = [directory.shard(building.first_shard + number) for number in range(plan.shards)]
    if directory.journal.written is not None:
        directory.remove_chunks()
        return WrittenCorpus.from_json(directory.journal.written, folders, building.first_shard)
    splits = splits_of(corpus)
    tokenized = tokenize_corpus(plan, splits, tokenizer, token_width, building)
    needs = needs_of(plan, tokenized, token_width, building.memory_bytes, building.runner.at_once)
    building.stages.tell(f"{tokenized.num_tokens:,} tokens; {needs.describe()}")
    check_tokenized(plan, needs, [*folders, directory.work])
    return assemble_shards(tokenized, len(splits), plan.shards, token_width, tokenizer.vocabulary.size, building)


def kept_tokenizer(plan: BuildPlan, corpus: Corpus, building: Building) -> Tokenizer:
    """Returns the tokenizer of a plan: the one that an earlier attempt chose or trained, if there was one.

    Raises:
        TokenizerError, SourceError: see `tokenizing.choose_tokenizer`.
    """
    kept = building.directory.tokenizer
    if kept.exists():
        return JsonTokenizer.from_file(kept)
    tokenizer = choose_tokenizer(plan, corpus, building.stages)
    if isinstance(tokenizer, JsonTokenizer):
        write_durably(kept, tokenizer.content)
    return tokenizer


def needs_of(plan: BuildPlan, corpus: TokenizedCorpus, token_width: int, memory_bytes: int, at_once: int) -> DiskNeeds:
    """Returns the disk that the build of a tokenized corpus needs.

    Raises:
        MemoryBudgetError: a shard cannot be sorted within the budget, in however many parts.
    """
    return disk_needs(
        corpus.num_tokens, token_width, corpus.num_documents, corpus.line_bytes, plan, memory_bytes, at_once=at_once
    )


def tokenize_corpus(
    plan: BuildPlan, splits: Sequence[Split], tokenizer: Tokenizer, token_width: int, building: Building
) -> TokenizedCorpus:
    """Writes the chunk of every split, and returns what they hold together.

    Raises:
        SourceError: see `reading.read_documents`; or no document has a token.
        PlanError: there are fewer documents than shards.
    """
    directory = building.directory
    how = Tokenizing(
        tokenizer=directory.tokenizer if isinstance(tokenizer, JsonTokenizer) else None,
        token_width=token_width,
        num_shards=plan.shards,
        fields=DocumentFields(
            plan.text_field,
            plan.metadata_fields,
            ids=plan.ids_field,
            separator=plan.document_separator,
            end_of_ids=min(tokenizer.vocabulary.size, separator_id(token_width)),
        ),
        skip_bad_lines=plan.skip_bad_lines,
        one_core=building.runner.one_core,
        memory_bytes=min(building.memory_bytes, TOKENIZING_BYTES),
    )
    chunks: dict[int, Chunk] = {}
    for split in splits:
        if (chunk := Chunk.load(directory.chunk(split.number))) is not None:
            chunks[split.number] = chunk
    tasks = (
        Task(
            name=f"tokenize split {split.number} of {len(splits)} (from {split.files[0].file.path})",
            function=tokenize_unit,
            arguments=(directory.lock(f"split-{split.number}"), split, how, directory.chunk(split.number)),
            amount=split.size_bytes,
            cores=1,
            memory_bytes=min(building.memory_bytes, TOKENIZING_BYTES),
        )
        for split in splits
        if split.number not in chunks
    )
    size_bytes = sum(split.size_bytes for split in splits)
    with building.stages.stage("read and tokenize", size_bytes, "bytes") as progress:
        if chunks:
            progress.found_done(sum(split.size_bytes for split in splits if split.number in chunks))
        chunks |= building.runner.run(tasks, progress.advanced)
    corpus = TokenizedCorpus.of([chunks[split.number] for split in splits])
    corpus.check_fills(plan.shards, ", ".join(map(str, plan.sources)))
    for example in corpus.bad_examples:
        building.stages.note(f"skipped {example}")
    return corpus


def assemble_shards(
    corpus: TokenizedCorpus, num_splits: int, num_shards: int, token_width: int, vocab_size: int, building: Building
) -> WrittenCorpus:
    """Writes the core files of every shard, but for the tables, out of all chunks, and removes those."""
    directory = building.directory
    chunks = tuple(directory.chunk(number) for number in range(num_splits))
    size_bytes = corpus.num_tokens * token_width + corpus.line_bytes
    tasks = (
        Task(
            name=f"assemble shard {building.first_shard + number}",
            function=assemble_unit,
            arguments=(
                directory.lock(f"shard-{number}"),
                chunks,
                number,
                num_shards,
                directory.shard(building.first_shard + number),
                token_width,
                vocab_size,
            ),
            amount=size_bytes // num_shards,
            cores=1,
            memory_bytes=assembling_memory_bytes(vocab_size),
        )
        for number in range(num_shards)
    )
    with building.stages.stage("assemble", size_bytes, "bytes") as progress:
        shards = list(building.runner.run(tasks, progress.advanced))
    numbered = [replace(shard, number=building.first_shard + shard.number) for shard in shards]
    written = WrittenCorpus(corpus, tuple(sorted(numbered, key=lambda shard: shard.number)))
    building.stages.took_temporarily(tree_bytes(directory.work))
    directory.note_written(written.to_json())
    directory.remove_chunks()
    return written


def finish_shards(
    shards: Sequence[WrittenShard], token_width: int, tokenizer_sha256: str, building: Building
) -> list[ShardManifest]:
    """Sorts shards that have their other core files, gives them their sidecars, and writes and returns their manifests.

    Raises:
        SortError, EngineKilledError: the engine failed.
        MemoryBudgetError: a shard cannot be sorted within the budget, in however many parts.
    """
    if building.accelerate:
        for shard in shards:
            remove_lone_table(shard.directory)
    plans = {shard.number: sort_plan_of(shard, token_width, building) for shard in shards}
    for wave in _waves(shards, plans, building.runner.at_once):
        _sort(wave, plans, token_width, building)
        if any(plans[shard.number].parts > 1 for shard in wave):
            building.stages.took_temporarily(sum(plans[shard.number].temporary_bytes for shard in wave))
            _merge(wave, plans, token_width, building)
    return _list(shards, token_width, tokenizer_sha256, building)


def sort_plan_of(shard: WrittenShard, token_width: int, building: Building) -> SortPlan:
    """Returns how a shard, whose text is written, is sorted.

    Raises:
        MemoryBudgetError: it cannot be, in however many parts.
    """
    return plan_sort(
        shard.num_tokens,
        token_width,
        building.memory_bytes,
        building.threads,
        building.parts,
        folder=shard.directory,
    )


def _waves(
    shards: Sequence[WrittenShard], plans: dict[int, SortPlan], at_once: int
) -> Iterator[Sequence[WrittenShard]]:
    """Yields the shards that are sorted and merged before others are begun, as the runs of each take disk."""
    step = at_once if any(plan.parts > 1 for plan in plans.values()) else len(shards)
    for start in range(0, len(shards), step):
        yield shards[start : start + step]


def _sort(shards: Sequence[WrittenShard], plans: dict[int, SortPlan], token_width: int, building: Building) -> None:
    tasks = (
        Task(
            name=f"sort part {part} of {plan.parts} of shard {shard.number}",
            function=sort_unit,
            arguments=(
                building.directory.lock(f"sort-{shard.number}-{part}"),
                shard.directory,
                token_width,
                part,
                plan.parts,
                plan.threads,
                building.accelerate,
            ),
            amount=shard.num_tokens * (part + 1) // plan.parts - shard.num_tokens * part // plan.parts,
            cores=0,
            memory_bytes=plan.memory_bytes,
        )
        for shard in shards
        for plan in [plans[shard.number]]
        for part in range(plan.parts)
    )
    with building.stages.stage("sort", sum(shard.num_tokens for shard in shards), "tokens") as progress:
        for _ in building.runner.run(tasks, progress.advanced):
            pass


def _merge(shards: Sequence[WrittenShard], plans: dict[int, SortPlan], token_width: int, building: Building) -> None:
    tasks = (
        Task(
            name=f"merge the parts of shard {shard.number}",
            function=merge_unit,
            arguments=(
                building.directory.lock(f"sort-{shard.number}"),
                shard.directory,
                token_width,
                plans[shard.number].parts,
                plans[shard.number].threads,
                building.memory_bytes,
                building.accelerate,
            ),
            amount=shard.num_tokens,
            cores=0,
            memory_bytes=plans[shard.number].memory_bytes,
        )
        for shard in shards
        if plans[shard.number].parts > 1
    )
    with building.stages.stage("merge", sum(shard.num_tokens for shard in shards), "tokens") as progress:
        for _ in building.runner.run(tasks, progress.advanced):
            pass


def _list(
    shards: Sequence[WrittenShard], token_width: int, tokenizer_sha256: str, building: Building
) -> list[ShardManifest]:
    accelerate = building.accelerate
    sizes = {
        shard.number: sum(
            (shard.directory / name).stat().st_size for name in files_of(shard.directory, accelerate=accelerate)
        )
        for shard in shards
    }
    tasks = (
        Task(
            name=f"checksums of shard {shard.number}",
            function=list_unit,
            arguments=(
                building.directory.lock(f"shard-{shard.number}"),
                shard,
                token_width,
                tokenizer_sha256,
                accelerate,
                building.threads,
            ),
            amount=sizes[shard.number],
            cores=0,
            memory_bytes=0,
        )
        for shard in shards
    )
    with building.stages.stage("checksums", sum(sizes.values()), "bytes") as progress:
        manifests = list(building.runner.run(tasks, progress.advanced))
    return sorted(manifests, key=lambda manifest: manifest.shard)
