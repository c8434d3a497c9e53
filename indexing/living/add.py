"""Adds documents to an index: new shards beside its own, and a manifest that names them all."""

from dataclasses import dataclass, replace
from pathlib import Path

from index_format.errors import IndexNotFoundError
from index_format.layout import TOKENIZER_FILE
from index_format.manifest import IndexManifest, ShardManifest, flush_directory, index_id_of
from index_format.removed_documents import load_removed, removed_file, save_removed
from index_format.tokenizer import RAW_BYTES, open_tokenizer
from indexing.budget import check_before_start, check_tokenizer, memory_budget
from indexing.build_journal import BuildJournal
from indexing.building import Building, finish_shards, kept_tokenizer, write_corpus
from indexing.errors import IndexBusyError
from indexing.living.change_lock import change_lock
from indexing.output import BuildDirectory, build_directory, work_folder
from indexing.plan import BuildPlan, RawBytes, TokenizerChoice, TokenizerFile
from indexing.progress import Progress, SilentProgress, Stages
from indexing.sources import Corpus, find_corpus
from indexing.workers import task_runner
from indexing.written_corpus import TokenizedCorpus

_COMMAND = "add"
_FIRST_SHARD = "first shard"


@dataclass(frozen=True, slots=True)
class AdditionReport:
    """What was added: the new manifest, the numbers of the new shards, and what the corpus came to.

    ``was_published`` says that an interrupted attempt had published it all, and only its remains were removed.
    """

    manifest: IndexManifest
    new_shards: range
    corpus: TokenizedCorpus
    stage_seconds: tuple[tuple[str, float], ...]
    was_published: bool


def tokenizer_choice_of(directory: Path) -> TokenizerChoice:
    """Returns the tokenizer of the index in ``directory``, as a plan names it.

    Raises:
        IndexFormatError: there is no index, or its tokenizer is not the one it was built with.
    """
    manifest = IndexManifest.load(directory)
    open_tokenizer(directory, manifest)
    return RawBytes() if manifest.tokenizer == RAW_BYTES else TokenizerFile(directory / TOKENIZER_FILE)


def add_documents(plan: BuildPlan, progress: Progress | None = None) -> AdditionReport:
    """Builds ``plan.shards`` new shards of the plan's sources inside the index ``plan.output``, and publishes them.

    They are built as those of a new index are: exclusively, in units that are kept, with the same options. Until the
    end the index is as it was and can be served; then a manifest of the next generation, which names the new shards
    too, replaces the old one at once. No file of the old shards is touched.

    Args:
        plan: What to add. Its tokenizer is that of the index (`tokenizer_choice_of`), its labels are passed over.
        progress: Listens.

    Raises:
        IndexFormatError: there is no index, or its manifests or tokenizer disagree.
        IndexBusyError: another process is changing the index.
        IndexingError: as for a build.
    """
    stages = Stages(progress or SilentProgress())
    directory = plan.output
    plan = replace(plan, tokenizer=tokenizer_choice_of(directory), stage="", source="")
    corpus = find_corpus(plan.sources, stages.note)
    if (published := _clear_up(plan, corpus, stages)) is not None:
        return published
    first_shard = IndexManifest.load(directory).num_shards
    check_before_start(plan, corpus, memory_budget(plan.memory_bytes))
    asked = _journal(plan, corpus, first_shard)
    with build_directory(
        directory, asked, stages.note, work_dir=plan.work_dir, fresh=plan.fresh, first_shard=first_shard
    ) as build:
        manifest = IndexManifest.load(directory)
        if manifest.num_shards != first_shard:
            raise IndexBusyError(f"{directory}: shards were added by another process meanwhile; run the command again")
        new = _build_shards(plan, corpus, manifest, build, stages)
        manifest = _publish(directory, manifest, new)
        report = _report(build, manifest, first_shard, stages, was_published=False)
        build.finish()
    return report


def _clear_up(plan: BuildPlan, corpus: Corpus, stages: Stages) -> AdditionReport | None:
    """Removes what is left of an addition that was published; returns its report if it is what ``plan`` asks for.

    So the same command, run again after a crash between the two, adds nothing twice.
    """
    with change_lock(plan.output):
        found = BuildJournal.load(plan.output) if not plan.fresh else None
        manifest = IndexManifest.load(plan.output)
        if found is None or found.options.get("command") != _COMMAND:
            return None
        first_shard = int(found.options[_FIRST_SHARD])
        if first_shard >= manifest.num_shards:
            return None
        work = work_folder(plan.output, plan.work_dir, found)
        build = BuildDirectory(plan.output, work, found, manifest.num_shards)
        report = _report(build, manifest, first_shard, stages, was_published=True)
        asked = _journal(plan, corpus, first_shard)
        is_asked_for = (found.options, found.sources) == (asked.options, asked.sources)
        build.finish()
    return report if is_asked_for else None


def _journal(plan: BuildPlan, corpus: Corpus, first_shard: int) -> BuildJournal:
    journal = BuildJournal.of(plan, corpus)
    return replace(journal, options={**journal.options, "command": _COMMAND, _FIRST_SHARD: first_shard})


def _build_shards(
    plan: BuildPlan, corpus: Corpus, manifest: IndexManifest, build: BuildDirectory, stages: Stages
) -> list[ShardManifest]:
    with task_runner(plan, corpus, stages.note, build.work) as runner:
        building = Building(
            build,
            runner,
            stages,
            plan.memory_bytes or runner.memory_bytes,
            plan.threads,
            plan.parts,
            plan.accelerate,
            manifest.num_shards,
        )
        tokenizer = kept_tokenizer(plan, corpus, building)
        check_tokenizer(tokenizer.vocabulary.size, building.memory_bytes)
        written = write_corpus(plan, corpus, tokenizer, manifest.token_width, building)
        return finish_shards(written.shards, manifest.token_width, tokenizer.sha256, building)


def _publish(directory: Path, manifest: IndexManifest, new: list[ShardManifest]) -> IndexManifest:
    """Writes the manifest of the index with the new shards, and returns it."""
    old = manifest.load_shards(directory, check_sidecars=False)
    shards = [*old, *new]
    removed = load_removed(directory, manifest, old)
    sha256 = ""
    if manifest.removed_documents:
        sha256 = save_removed(directory, [*removed, *(removed[0][:0] for _ in new)])
    after = replace(
        manifest,
        index_id=index_id_of(shards),
        num_shards=len(shards),
        num_tokens=sum(shard.num_tokens for shard in shards),
        num_documents=sum(shard.num_documents for shard in shards),
        generation=manifest.generation + 1,
        removed_sha256=sha256,
        dealing=(*(manifest.dealing or (manifest.num_shards,)), len(new)),
    )
    # The folders of the new shards are on disk before the manifest that names them is.
    flush_directory(directory)
    after.save(directory)
    if sha256:
        (directory / removed_file(manifest.removed_sha256)).unlink(missing_ok=True)
    return after


def _report(
    build: BuildDirectory, manifest: IndexManifest, first_shard: int, stages: Stages, *, was_published: bool
) -> AdditionReport:
    written = build.journal.written
    if written is None:
        raise IndexNotFoundError(f"{build.path}: the journal of what was added says nothing of it; remove build.json")
    new_shards = range(first_shard, first_shard + len(written["shards"]))
    return AdditionReport(
        manifest, new_shards, TokenizedCorpus.from_json(written["corpus"]), stages.seconds, was_published
    )
