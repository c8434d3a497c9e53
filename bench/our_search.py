"""The first half of a trace, from an answer to its maximal and kept spans, by the coordinator's own steps."""

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import suffix_engine
from bench.searched_index import SearchedIndex
from coordinator.corpus import Corpus
from coordinator.requests import TraceOptions
from coordinator.steps.fan_out import fan_out
from coordinator.steps.filter import allowed_spans, keep_spans
from coordinator.steps.tokenize import tokenize
from coordinator.steps.union import CorpusMatches, union
from coordinator.values import MaximalSpan
from headwater.embedded_shard import EmbeddedShard

_DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class FoundSpans:
    """All maximal spans of an answer, and those that are kept."""

    num_tokens: int
    maximal: Sequence[MaximalSpan]
    kept: Sequence[MaximalSpan]


@dataclass(frozen=True, slots=True)
class Searched:
    """What the search step found, and what it took.

    Attributes:
        num_tokens: In the answer.
        kept: The kept spans.
        starts: Suffixes that were searched for in each shard.
        reads_per_suffix: Random reads that the engine counted for one of them in one shard, on average.
        matches: What the shards answered, united.
    """

    num_tokens: int
    kept: Sequence[MaximalSpan]
    starts: int
    reads_per_suffix: float
    matches: CorpusMatches

    def found(self) -> FoundSpans:
        """Returns the other maximal spans as well, with their sums: a trace has no need of these."""
        everything = TraceOptions(max_span_density=1.0)
        return FoundSpans(
            num_tokens=self.num_tokens,
            maximal=keep_spans(self.matches, allowed_spans(self.matches, everything), everything),
            kept=self.kept,
        )


class OurSearch:
    """An index, searched in this process up to the kept spans: `Trace` does not show the other maximal ones."""

    def __init__(self, index: SearchedIndex) -> None:
        """Opens every shard of the index."""
        self._tokenizer = index.tokenizer
        self._executor = ThreadPoolExecutor(max_workers=len(index.shards))
        pool = suffix_engine.ThreadPool()
        corpus = Corpus.of_index(index.manifest)
        self._shards = [
            EmbeddedShard(
                corpus,
                number,
                suffix_engine.ShardIndex.open(
                    shard.folder, token_width=index.manifest.token_width, pool=pool, number=shard.number
                ),
                self._executor,
            )
            for number, shard in enumerate(index.shards)
        ]

    def search(self, answer: str) -> Searched:
        """Searches for the spans of an answer, with production's options."""
        options = TraceOptions()
        query = tokenize(answer, self._tokenizer, options)
        answers = asyncio.run(fan_out(query, self._shards, _DEADLINE_S))
        if answers.failed:
            raise RuntimeError(f"shards failed in process: {answers.failed}")
        matches = union(query, answers.matches)
        starts = len(query.word_starts)
        return Searched(
            num_tokens=len(query.token_ids),
            kept=keep_spans(matches, allowed_spans(matches, options), options),
            starts=starts,
            reads_per_suffix=sum(one.reads.total for one in answers.matches) / max(1, starts * len(self._shards)),
            matches=matches,
        )

    def close(self) -> None:
        """Stops the threads."""
        self._executor.shutdown()


@contextmanager
def opened_search(index: SearchedIndex) -> Iterator[OurSearch]:
    """Opens an index for the body to search."""
    search = OurSearch(index)
    try:
        yield search
    finally:
        search.close()
