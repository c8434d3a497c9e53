"""From a corpus to a published index: the steps in order."""

from index_format.layout import check_path_name
from index_format.manifest import IndexManifest
from indexing.budget import check_before_start, check_tokenizer, memory_budget
from indexing.build_journal import BuildJournal
from indexing.building import Building, finish_shards, kept_tokenizer, write_corpus
from indexing.output import build_directory
from indexing.plan import BuildPlan
from indexing.progress import Progress, SilentProgress, Stages
from indexing.publishing import publish_index, report_of
from indexing.sources import Corpus, find_corpus
from indexing.tokenizing import token_width
from indexing.uploading import check_place, clear_up, remove_folder, uploaded_index
from indexing.workers import task_runner
from indexing.written_corpus import TokenizedCorpus


def build(plan: BuildPlan, progress: Progress | None = None) -> IndexManifest:
    """Builds the index of a plan and returns its manifest. The index is there whole, or none is.

    The work is done in units that are finished one by one: however it ends, the same call goes on from those that are
    done. The bytes of the index depend on neither interruptions nor workers, memory or threads.

    Raises:
        IndexFormatError: the output path or the tokenizer cannot be used.
        IndexingError: see `indexing.errors`.
    Cost: O(corpus). Memory as the plan says, in each process; disk as `disk_needs.DiskNeeds`.
    """
    stages = Stages(progress or SilentProgress())
    check_path_name(plan.output)
    check_place(plan)
    corpus = find_corpus(plan.sources, stages.note)
    needs = check_before_start(plan, corpus, memory_budget(plan.memory_bytes))
    stages.tell(f"probably at least: {needs.describe()}")
    asked = BuildJournal.of(plan, corpus)
    with build_directory(plan.output, asked, stages.note, work_dir=plan.work_dir, fresh=plan.fresh) as directory:
        if (uploaded := uploaded_index(plan, directory)) is not None:
            manifest = uploaded
        elif directory.is_published:
            manifest = IndexManifest.load(plan.output)
        else:
            with task_runner(plan, corpus, stages.note, directory.work) as runner:
                budget_bytes = plan.memory_bytes or runner.memory_bytes
                building = Building(directory, runner, stages, budget_bytes, plan.threads, plan.parts, plan.accelerate)
                manifest = _build(plan, corpus, building)
        written = directory.journal.written
        assert written is not None, "an index is published after it was written"
        index_bytes = clear_up(plan, directory, manifest, stages)
    remove_folder(plan)
    tokenized = TokenizedCorpus.from_json(written["corpus"])
    stages.finish(report_of(manifest, tokenized, index_bytes, stages, continued=directory.continued))
    return manifest


def _build(plan: BuildPlan, corpus: Corpus, building: Building) -> IndexManifest:
    tokenizer = kept_tokenizer(plan, corpus, building)
    width = token_width(tokenizer)
    check_tokenizer(tokenizer.vocabulary.size, building.memory_bytes)
    written = write_corpus(plan, corpus, tokenizer, width, building)
    shards = finish_shards(written.shards, width, tokenizer.sha256, building)
    return publish_index(plan, shards, tokenizer, width)
