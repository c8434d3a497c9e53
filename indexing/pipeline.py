"""From a corpus to a published index: the steps in order."""

from index_format.layout import check_path_name
from index_format.manifest import IndexManifest
from indexing.budget import check_after_writing, check_before_start, memory_budget
from indexing.output import output_directory
from indexing.plan import BuildPlan
from indexing.progress import Progress, SilentProgress, Stages
from indexing.publishing import publish_index, report_of
from indexing.sorting import sort_shards
from indexing.sources import find_corpus
from indexing.tokenizing import choose_tokenizer, token_width
from indexing.writing import write_shards


def build(plan: BuildPlan, progress: Progress | None = None) -> IndexManifest:
    """Builds the index of a plan and returns its manifest. The index is there whole, or nothing of it is.

    Shards are written side by side while the corpus is read once (twice if a tokenizer is trained on it), and then
    sorted one after another. On any exception, `KeyboardInterrupt` included, what was written is removed.

    Raises:
        IndexFormatError: the output path or the tokenizer cannot be used.
        IndexingError: see `indexing.errors`.
    Cost: O(corpus); memory as `suffix_engine.sort_memory_bytes` for the largest shard, and about 300 MB besides.
    """
    stages = Stages(progress or SilentProgress())
    check_path_name(plan.output)
    corpus = find_corpus(plan.sources, stages.note)
    budget_bytes = memory_budget(plan.memory_bytes)
    check_before_start(plan, corpus, budget_bytes)
    with output_directory(plan.output) as output:
        tokenizer = choose_tokenizer(plan, corpus, stages)
        width = token_width(tokenizer)
        written = write_shards(plan, corpus, tokenizer, width, output, stages)
        check_after_writing(plan.output, written.shards, width, budget_bytes)
        sort_shards(written.shards, width, plan.threads, stages)
        manifest = publish_index(plan, written.shards, tokenizer, width, output, stages)
    stages.finish(report_of(manifest, written, output, stages))
    return manifest
