"""What the answers should be: the same pipeline over the same indexes, in this process, where nothing fails by itself.

An answer may lack shards. It is right if it is what the pipeline says when exactly those shards do not answer, be it
from the first round on or in the second only. Documents may be taken down: then it is what the pipeline says without.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias, TypeVar

from bench.faults.answers import digest
from bench.faults.outcomes import Outcome
from coordinator.api import codec
from coordinator.corpus import Corpus
from coordinator.errors import NoShardAnsweredError, ShardUnavailableError
from coordinator.pipeline import Pipeline
from coordinator.ports import ShardPort
from coordinator.requests import TraceRequest
from coordinator.results import DocumentText, Trace
from coordinator.values import Query, ShardDescription, ShardId, ShardMatches, ShardWindows, WindowQuery
from headwater.embedded_shard import EmbeddedShard
from headwater.embedded_takedowns import left_out, without
from index_format.manifest import IndexManifest
from index_format.takedowns import Takedown
from index_format.tokenizer import Tokenizer, open_tokenizer
from shard_server.config import ShardServerConfig
from shard_server.shards import open_shards

_T = TypeVar("_T")
# A generation, by its index, and the takedowns in force.
_State: TypeAlias = tuple[str, tuple[Takedown, ...]]
_DEADLINE_S = 60.0


class Oracle:
    """Says of an answer whether it is right."""

    def __init__(self, indexes: Sequence[Path], corpus: str, answers: Sequence[str]):
        """Opens every generation of one corpus.

        Args:
            indexes: The generations that may be served.
            corpus: What the cluster file calls the corpus.
            answers: What is traced, by number.
        """
        self._answers = tuple(answers)
        self._generations = {
            generation.index_id: generation for generation in (_Generation(each, corpus) for each in indexes)
        }
        self._runner = asyncio.Runner()
        self._known: dict[tuple[int, _State, frozenset[str], frozenset[str]], bytes] = {}

    def is_right(self, outcome: Outcome, takedowns: tuple[Takedown, ...] = ()) -> bool:
        """Says whether an answer is one that its generation gives without the shards that it names.

        ``takedowns`` are those in force.
        """
        found = outcome.searched
        if found is None or len(found.index_ids) != 1 or found.index_ids[0] not in self._generations:
            return False
        return any(
            self._expected(outcome.request, (found.index_ids[0], takedowns), unsearched, found.missing - unsearched)
            == outcome.answer
            for unsearched in _subsets(found.missing)
        )

    def trace(self, request: int) -> Trace:
        """Returns what the first generation answers to a request, with nothing taken down."""
        generation = next(iter(self._generations.values()))
        pipeline = generation.pipeline_without(frozenset(), frozenset())
        return self._runner.run(pipeline.trace(TraceRequest(self._answers[request]), _DEADLINE_S))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._runner.close()

    def _expected(self, request: int, state: "_State", unsearched: frozenset[str], unread: frozenset[str]) -> bytes:
        """Returns the digest of the answer without some shards in both rounds, and others in the second only."""
        key = (request, state, unsearched, unread)
        if key not in self._known:
            index_id, takedowns = state
            pipeline = self._generations[index_id].pipeline_without(unsearched, unread, takedowns)
            self._known[key] = self._runner.run(_digest_of(pipeline, self._answers[request]))
        return self._known[key]


async def _digest_of(pipeline: Pipeline, answer: str) -> bytes:
    try:
        trace = await pipeline.trace(TraceRequest(answer), _DEADLINE_S)
    except NoShardAnsweredError:
        return b""  # that is an error, so no answer is right
    return digest(codec.encode_trace(trace).trace)


def _subsets(shards: frozenset[str]) -> Iterator[frozenset[str]]:
    for size in range(len(shards), -1, -1):
        yield from map(frozenset, itertools.combinations(sorted(shards), size))


class _Generation:
    """One index, opened."""

    def __init__(self, directory: Path, corpus: str):
        index = IndexManifest.load(directory)
        opened = open_shards(ShardServerConfig(index=directory, search_threads=1))
        self.index_id = index.index_id
        self._directory = directory
        self._tokenizer: Tokenizer = open_tokenizer(directory, index)
        self._corpus = Corpus.of_index(index, corpus)
        self._engines = opened.by_number
        self._views: dict[tuple[Takedown, ...], list[EmbeddedShard]] = {}

    def pipeline_without(
        self, unsearched: frozenset[str], unread: frozenset[str], takedowns: tuple[Takedown, ...] = ()
    ) -> Pipeline:
        """Returns a pipeline in which some shards answer nothing, others no second round, and takedowns are obeyed."""
        if takedowns not in self._views:
            self._views[takedowns] = self._view(takedowns)
        shards = [
            _FailingShard(shard, str(shard.shard) in unsearched, str(shard.shard) in unsearched | unread)
            for shard in self._views[takedowns]
        ]
        return Pipeline(self._tokenizer, shards, [self._corpus], owns_loop=True)

    def _view(self, takedowns: tuple[Takedown, ...]) -> list[EmbeddedShard]:
        index = self._corpus.index
        removed = left_out(self._directory, index, index.load_shards(self._directory), list(takedowns))
        return [
            EmbeddedShard(self._corpus, number, engine, None, view_id)
            for number, (engine, view_id) in zip(
                self._engines, map(without, self._engines.values(), removed), strict=True
            )
        ]


class _FailingShard:
    """A shard that does not answer one round or both. Implements `coordinator.ports.ShardPort`."""

    def __init__(self, shard: ShardPort, fails_search: bool, fails_windows: bool):
        self._shard = shard
        self._fails_search = fails_search
        self._fails_windows = fails_windows

    @property
    def shard(self) -> ShardId:
        return self._shard.shard

    async def describe(self, deadline_s: float) -> ShardDescription:
        return await self._shard.describe(deadline_s)

    async def longest_matches(self, query: Query, deadline_s: float) -> ShardMatches:
        return await _unless(self._fails_search, lambda: self._shard.longest_matches(query, deadline_s))

    async def get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        return await _unless(self._fails_windows, lambda: self._shard.get_windows(windows, deadline_s))

    async def get_document(self, number: int, start: int, max_tokens: int, deadline_s: float) -> DocumentText:
        return await self._shard.get_document(number, start, max_tokens, deadline_s)


async def _unless(fails: bool, call: Callable[[], Awaitable[_T]]) -> _T:
    if fails:
        raise ShardUnavailableError("left out")
    return await call()
