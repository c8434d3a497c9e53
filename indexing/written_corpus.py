"""What a corpus came to: the shards that hold it, and what of each source they hold."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from indexing.assembling import WrittenShard
from indexing.chunks import Chunk, SourceCounts, SummedSources, sum_of_sources
from indexing.errors import EmptyCorpusError, PlanError

_MOST_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class TokenizedCorpus(SummedSources):
    """What all chunks of a corpus hold together.

    Attributes:
        num_documents: Documents kept.
        num_tokens: Their tokens, and one separator each.
        line_bytes: Bytes of their metadata lines.
        sources: One entry a source file, in reading order.
        bad_examples: The first messages about lines that were left out.
    """

    num_documents: int
    num_tokens: int
    line_bytes: int
    sources: tuple[SourceCounts, ...]
    bad_examples: tuple[str, ...]

    @classmethod
    def of(cls, chunks: Sequence[Chunk]) -> "TokenizedCorpus":
        """Returns what chunks, in the order of their splits, hold together."""
        return cls(
            num_documents=sum(chunk.num_documents for chunk in chunks),
            num_tokens=sum(chunk.num_tokens for chunk in chunks),
            line_bytes=sum(chunk.line_bytes for chunk in chunks),
            sources=sum_of_sources(chunks),
            bad_examples=tuple(example for chunk in chunks for example in chunk.bad_examples)[:_MOST_EXAMPLES],
        )

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Returns what the journal of a build keeps."""
        sources = tuple(SourceCounts(**source) for source in raw["sources"])
        return cls(**{**raw, "sources": sources, "bad_examples": tuple(raw["bad_examples"])})

    def check_fills(self, num_shards: int, corpus_name: str) -> None:
        """Checks that there is a document for every shard.

        Raises:
            EmptyCorpusError: there is no document at all.
            PlanError: there are fewer than shards.
        """
        if self.num_documents == 0:
            raise EmptyCorpusError(
                f"{corpus_name}: no document with a token to index "
                f"({self.skipped_empty} empty documents, {self.skipped_bad} bad lines)"
            )
        if self.num_documents < num_shards:
            raise PlanError(
                f"{self.num_documents} documents cannot fill {num_shards} shards; "
                f"use --shards {self.num_documents} or fewer"
            )


@dataclass(frozen=True, slots=True)
class WrittenCorpus:
    """A tokenized corpus whose shards have their core files, but for the tables."""

    corpus: TokenizedCorpus
    shards: tuple[WrittenShard, ...]

    def to_json(self) -> dict[str, Any]:
        """Returns it as the journal of a build keeps it."""
        return {
            "corpus": asdict(self.corpus),
            "shards": [[shard.num_tokens, shard.num_documents] for shard in self.shards],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any], folders: Sequence[Path], first_shard: int) -> Self:
        """Returns what the journal keeps about the shards in ``folders``."""
        shards = [
            WrittenShard(folder, number, num_tokens, num_documents)
            for number, (folder, (num_tokens, num_documents)) in enumerate(
                zip(folders, raw["shards"], strict=True), first_shard
            )
        ]
        return cls(TokenizedCorpus.from_json(raw["corpus"]), tuple(shards))
