"""Reads, tokenizes and splits a corpus over the shards of an index, in one pass."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from index_format.tokenizer import Tokenizer
from indexing.documents import BadDocuments, Document, DocumentFields, batches_of
from indexing.errors import EmptyCorpusError, PlanError
from indexing.output import OutputDirectory
from indexing.plan import BuildPlan
from indexing.progress import Stages
from indexing.reading import read_documents
from indexing.shard_writer import ShardWriter
from indexing.sources import Corpus
from indexing.tokenizing import Encoder, encoder_of

# Held in memory at a time, several times over while it is encoded.
_BATCH_CHARACTERS = 4 << 20
_BATCH_DOCUMENTS = 4096
# Over all shards: 8 MiB of token ids, three times as much for the moment in which they are counted.
_UNCOUNTED_TOKENS = 1 << 21


@dataclass(frozen=True, slots=True)
class WrittenShard:
    """A shard whose core files, but for the table, are in ``directory``."""

    directory: Path
    number: int
    num_tokens: int
    num_documents: int


@dataclass(frozen=True, slots=True)
class WrittenCorpus:
    """The shards of a corpus, and what was left out."""

    shards: tuple[WrittenShard, ...]
    text_bytes: int
    skipped_bad: int
    skipped_empty: int


def write_shards(
    plan: BuildPlan, corpus: Corpus, tokenizer: Tokenizer, width: int, output: OutputDirectory, stages: Stages
) -> WrittenCorpus:
    """Writes every core file but the tables. Document i, of those that have a token, goes to shard i % plan.shards.

    A document without a token can hold no span, so it is left out and counted.

    Raises:
        SourceError: see `reading.read_documents`; or no document has a token.
        PlanError: there are fewer documents than shards.
    """
    fields = DocumentFields(plan.text_field, plan.metadata_fields)
    bad = BadDocuments(skip=plan.skip_bad_lines)
    with ExitStack() as files, stages.stage("read and tokenize", corpus.size_bytes, "bytes") as progress:
        writers = [
            files.enter_context(
                ShardWriter(
                    output.create_shard(n),
                    token_width=width,
                    vocab_size=tokenizer.vocabulary.size,
                    most_uncounted=_UNCOUNTED_TOKENS // plan.shards,
                )
            )
            for n in range(plan.shards)
        ]
        split = _Splitter(encoder_of(tokenizer), writers)
        documents = read_documents(corpus, fields, bad, progress.advanced)
        for batch in batches_of(documents, _BATCH_CHARACTERS, _BATCH_DOCUMENTS):
            split.write(batch)
        _check_enough(split.num_documents, plan, split.skipped_empty, bad.count)
        for writer in writers:
            writer.finish()
    for example in bad.examples:
        stages.note(f"skipped {example}")
    shards = [
        WrittenShard(writer.directory, number, writer.num_tokens, writer.num_documents)
        for number, writer in enumerate(writers)
    ]
    return WrittenCorpus(tuple(shards), split.text_bytes, bad.count, split.skipped_empty)


class _Splitter:
    """Encodes batches and deals the documents out to the shards in turn."""

    def __init__(self, encoder: Encoder, writers: list[ShardWriter]):
        self._encoder = encoder
        self._writers = writers
        self.num_documents = 0
        self.text_bytes = 0
        self.skipped_empty = 0

    def write(self, batch: list[Document]) -> None:
        encoded = self._encoder.encode_batch([document.text for document in batch])
        for document, token_ids in zip(batch, encoded, strict=True):
            if len(token_ids) == 0:
                self.skipped_empty += 1
                continue
            self._writers[self.num_documents % len(self._writers)].write(token_ids, document.metadata_line)
            self.num_documents += 1
            self.text_bytes += document.text_bytes


def _check_enough(num_documents: int, plan: BuildPlan, skipped_empty: int, skipped_bad: int) -> None:
    if num_documents == 0:
        raise EmptyCorpusError(
            f"{', '.join(map(str, plan.sources))}: no document with a token to index "
            f"({skipped_empty} empty documents, {skipped_bad} bad lines)"
        )
    if num_documents < plan.shards:
        raise PlanError(
            f"{num_documents} documents cannot fill {plan.shards} shards; use --shards {num_documents} or fewer"
        )
