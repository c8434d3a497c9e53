"""From a corpus to a published index: the steps in order."""

from index_format.layout import check_path_name
from index_format.manifest import IndexManifest
from indexing.accelerating import accelerate_shards
from indexing.budget import check_after_writing, check_before_start, check_writers, memory_budget
from indexing.output import output_directory
from indexing.plan import BuildPlan
from indexing.progress import Progress, SilentProgress, Stages
from indexing.publishing import publish_index, report_of
from indexing.shard_files import ShardFiles
from indexing.sorting import sort_shards
from indexing.sources import find_corpus
from indexing.tokenizing import choose_tokenizer, token_width
from indexing.writing import write_shards


def build(plan: BuildPlan, progress: Progress | None = None) -> IndexManifest:
    """Builds the index of a plan and returns its manifest. The index is there whole, or nothing of it is.

    Shards are written side by side while the corpus is read once (twice if a tokenizer is trained on it), and then
    sorted, and given their sidecars, one after another. On any exception, `KeyboardInterrupt` included, what was
    written is removed.

    Raises:
        IndexFormatError: the output path or the tokenizer cannot be used.
        IndexingError: see `indexing.errors`.
    Cost: O(corpus); memory as `suffix_engine.sort_memory_bytes` for the largest shard or, while they are written, as
        `shard_writer.writer_memory_bytes` for all shards together, whichever is more; and besides about 350 MB (250 to
        335 MiB measured with Llama-2's and dolma2's tokenizers), more if single documents are longer than a batch.
    """
    stages = Stages(progress or SilentProgress())
    check_path_name(plan.output)
    corpus = find_corpus(plan.sources, stages.note)
    budget_bytes = memory_budget(plan.memory_bytes)
    check_before_start(plan, corpus, budget_bytes)
    with output_directory(plan.output) as output:
        tokenizer = choose_tokenizer(plan, corpus, stages)
        width = token_width(tokenizer)
        vocab_size = tokenizer.vocabulary.size
        check_writers(plan.shards, vocab_size, budget_bytes)
        written = write_shards(plan, corpus, tokenizer, width, output, stages)
        check_after_writing(plan, written.shards, width, vocab_size, budget_bytes)
        sort_shards(written.shards, width, plan.threads, stages)
        if plan.accelerate:
            shards = [ShardFiles(shard.directory, 0, width, shard.num_tokens) for shard in written.shards]
            accelerate_shards(shards, plan.threads, stages)
        manifest = publish_index(plan, written.shards, tokenizer, width, output, stages)
    stages.finish(report_of(manifest, written, output, stages))
    return manifest
