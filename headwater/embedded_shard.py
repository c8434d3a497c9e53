"""A shard in this process, as the coordinator's pipeline sees one."""

import asyncio
import itertools
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TypeVar

import numpy as np

import suffix_engine
from coordinator.corpus import Corpus
from coordinator.errors import DocumentNotFoundError, InvalidRequestError, ShardUnavailableError
from coordinator.read_counts import ReadCounts
from coordinator.results import DocumentText
from coordinator.steps.metadata import document_text
from coordinator.values import (
    DocumentId,
    Query,
    ShardDescription,
    ShardId,
    ShardMatches,
    ShardWindows,
    Window,
    WindowQuery,
)

_T = TypeVar("_T")


class _WithdrawnError(Exception):
    """The document that was asked for is one that the shard leaves out."""


class EmbeddedShard:
    """One opened shard. Implements `coordinator.ports.ShardPort`."""

    def __init__(
        self,
        corpus: Corpus,
        number: int,
        engine: suffix_engine.ShardIndex,
        executor: Executor | None,
        view_id: str = "",
    ) -> None:
        """Serves ``engine`` as shard ``number`` of a corpus; ``view_id`` names the documents that it leaves out.

        Its calls run on ``executor``, so that those of several shards go on together.

        Without one they run in place, which is quicker for a single shard, and ends no call at its deadline. Either way
        the event loop must be the request's own: it is blocked until the calls end.
        """
        self._shard = ShardId(corpus.name, number)
        self._corpus = corpus
        self._engine = engine
        self._executor = executor
        self._view_id = view_id

    @property
    def shard(self) -> ShardId:
        """Which shard of which corpus it is."""
        return self._shard

    async def describe(self, deadline_s: float) -> ShardDescription:
        """See `ShardPort.describe`."""
        return ShardDescription(
            shard=self._shard,
            index_id=self._corpus.index.index_id,
            format_version=self._corpus.index.format_version,
            token_width=self._engine.token_width,
            tokenizer_sha256=self._corpus.index.tokenizer_sha256,
            num_tokens=self._engine.num_tokens + self._engine.withheld_tokens,
            num_documents=self._engine.num_documents,
        )

    async def longest_matches(self, query: Query, deadline_s: float) -> ShardMatches:
        """See `ShardPort.longest_matches`."""
        return await self._call(lambda: self._longest_matches(query), deadline_s)

    async def get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        """See `ShardPort.get_windows`."""
        return await self._call(lambda: self._windows(windows), deadline_s)

    async def get_document(self, number: int, start: int, max_tokens: int, deadline_s: float) -> DocumentText:
        """See `ShardPort.get_document`."""
        if not 0 <= number < self._engine.num_documents:
            raise DocumentNotFoundError(
                f"document {self._shard}:{number}: the shard has {self._engine.num_documents} documents"
            )
        try:
            found = await self._call(lambda: self._engine.document(number, start, max_tokens), deadline_s)
        except _WithdrawnError:
            raise DocumentNotFoundError(f"document {self._shard}:{number} was withdrawn") from None
        except InvalidRequestError as error:
            raise DocumentNotFoundError(f"document {self._shard}:{number}: {error}") from error
        return document_text(
            DocumentId(*self._shard, number),
            self._corpus.stage,
            found.metadata,
            num_tokens=found.document_length,
            start=found.start,
            end=found.end,
            text=found.text,
        )

    async def _call(self, work: Callable[[], _T], deadline_s: float) -> _T:
        ends = time.monotonic() + deadline_s
        future: Future[_T] | None = None
        try:
            if self._executor is None:
                return work()
            future = self._executor.submit(work)
            # The other shards' calls begin first. Then waiting in place is quicker than waking the loop; what one call
            # waits has passed for the others, too.
            await asyncio.sleep(0)
            return future.result(max(0.0, ends - time.monotonic()))
        except TimeoutError:
            if future is not None:
                future.cancel()
            raise ShardUnavailableError(f"no answer within {deadline_s:.1f} s") from None
        except suffix_engine.DocumentWithheldError:
            raise _WithdrawnError from None
        except suffix_engine.InvalidQueryError as error:
            raise InvalidRequestError(str(error)) from error
        except suffix_engine.EngineError as error:
            raise ShardUnavailableError(str(error)) from error

    def _longest_matches(self, query: Query) -> ShardMatches:
        arrays = (query.token_ids, query.word_starts, query.cuts)
        found = self._engine.longest_matches(*(array.astype("<u4").tobytes() for array in arrays))
        return ShardMatches(
            shard=self._shard,
            starts=np.frombuffer(found.starts, dtype="<u4"),
            ends=np.frombuffer(found.ends, dtype="<u4"),
            rank_starts=np.frombuffer(found.rank_starts, dtype="<u8"),
            rank_ends=np.frombuffer(found.rank_ends, dtype="<u8"),
            unigram_counts=np.frombuffer(found.unigram_counts, dtype="<u8"),
            num_tokens=self._engine.num_tokens,
            reads=_read_counts(found.reads),
            withheld=np.frombuffer(found.withheld, dtype="<u8") if self._view_id else None,
            withheld_elsewhere=found.withheld_elsewhere if self._view_id else 0,
            view_id=self._view_id,
        )

    def _windows(self, windows: WindowQuery) -> ShardWindows:
        match_lengths = windows.lengths
        ranks, lengths = np.array(windows.ranks, dtype="<u8"), np.array(match_lengths, dtype="<u4")
        found, reads = self._engine.windows(
            ranks.tobytes(), lengths.tobytes(), windows.context_tokens, windows.snippet_tokens
        )
        token_ids = np.frombuffer(b"".join([window.match_token_ids for window in found]), dtype="<u4").tolist()
        match_ends = itertools.accumulate(match_lengths)
        return ShardWindows(
            tuple(
                Window(
                    document=DocumentId(*self._shard, window.document),
                    document_tokens=window.document_length,
                    start=window.start,
                    end=window.end,
                    match_start=window.match_start,
                    match_token_ids=tuple(token_ids[match_end - length : match_end]),
                    text=window.text,
                    match_chars=window.match_chars,
                    snippet_chars=window.snippet_chars,
                    metadata=window.metadata,
                )
                for window, length, match_end in zip(found, match_lengths, match_ends, strict=True)
            ),
            _read_counts(reads),
        )


def _read_counts(reads: suffix_engine.ReadCounts) -> ReadCounts:
    return ReadCounts(reads.table, reads.fan_out, reads.text, reads.documents, reads.size_bytes)
