"""The first half of a trace, from an answer to its maximal and kept spans, by the coordinator's own steps."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import suffix_engine
from bench.searched_index import SearchedIndex
from coordinator.fan_out import fan_out
from coordinator.filter import keep_spans, maximal_spans
from coordinator.tokenize import tokenize
from coordinator.union import union
from coordinator.values import MaximalSpan, ShardId, TraceOptions
from headwater.embedded_shard import EmbeddedShard

_DEADLINE_S = 600.0


@dataclass(frozen=True, slots=True)
class FoundSpans:
    """All maximal spans of an answer, and those that are kept."""

    num_tokens: int
    maximal: Sequence[MaximalSpan]
    kept: Sequence[MaximalSpan]


class OurSearch:
    """An index, searched in this process up to the kept spans: `Trace` does not show the other maximal ones."""

    def __init__(self, index: SearchedIndex) -> None:
        """Opens every shard of the index."""
        self._tokenizer = index.tokenizer
        self._executor = ThreadPoolExecutor(max_workers=len(index.shards))
        pool = suffix_engine.ThreadPool()
        self._shards = [
            EmbeddedShard(
                ShardId(number),
                suffix_engine.ShardIndex.open(
                    shard.folder, token_width=index.manifest.token_width, pool=pool, number=shard.number
                ),
                index.manifest,
                self._executor,
            )
            for number, shard in enumerate(index.shards)
        ]

    def search(self, answer: str) -> FoundSpans:
        """Returns the spans of an answer, with production's options."""
        options = TraceOptions()
        query = tokenize(answer, self._tokenizer, options)
        answers = asyncio.run(fan_out(query, self._shards, _DEADLINE_S))
        if answers.failed:
            raise RuntimeError(f"shards failed in process: {answers.failed}")
        spans = maximal_spans(union(query, answers.matches), options)
        return FoundSpans(len(query.token_ids), spans, keep_spans(spans, query, options))

    def close(self) -> None:
        """Stops the threads."""
        self._executor.shutdown()
