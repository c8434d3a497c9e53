"""One answer in, one trace out: the steps in order, over any shards."""

from asyncio import to_thread
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from coordinator.errors import DocumentNotFoundError, NoShardAnsweredError
from coordinator.options import RequestLimits, check_document_range, check_request, check_text
from coordinator.ports import ShardPort
from coordinator.steps import bm25
from coordinator.steps.assemble import Traced, assemble
from coordinator.steps.coverage import coverage
from coordinator.steps.fan_out import ask, fan_out
from coordinator.steps.filter import allowed_spans, keep_spans
from coordinator.steps.merge import merge_documents
from coordinator.steps.rerank import rerank
from coordinator.steps.retrieve import retrieve
from coordinator.steps.stats import trace_stats
from coordinator.steps.stopwatch import Stopwatch
from coordinator.steps.tokenize import tokenize, whole_text
from coordinator.steps.union import union
from coordinator.values import (
    Answers,
    Count,
    DocumentId,
    DocumentText,
    IndexDescription,
    MaximalSpan,
    Occurrence,
    Query,
    Trace,
    TraceRequest,
)
from index_format.manifest import IndexManifest
from index_format.tokenizer import Tokenizer

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Of the time that is left, what the first round may take: a shard that hangs must not keep the others from showing
# what they hold.
_SEARCH_SHARE = 0.6

# Tokenizing takes 0.2 ms for 1,000 characters, a thread and back 0.05 ms: up to here it may run on the event loop.
_SHORT_ANSWER_CHARS = 4_000


class Pipeline:
    """Answers requests against one index. Holds no state between requests."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        shards: Sequence[ShardPort],
        index: IndexManifest,
        limits: RequestLimits | None = None,
        *,
        owns_loop: bool = False,
    ):
        """Takes the index's own tokenizer, one port for each shard to search, and the index's manifest.

        With ``owns_loop`` each request runs on an event loop of its own, so that it may block it.
        """
        self._tokenizer = tokenizer
        self._shards = tuple(shards)
        self._index = index
        self.limits = limits or RequestLimits()
        self._owns_loop = owns_loop
        bm25.prepare()

    async def trace(self, request: TraceRequest, deadline_s: float) -> Trace:
        """Returns the trace of an answer, over the shards that answer within ``deadline_s`` seconds.

        Raises:
            InvalidRequestError: the request is empty, too long, or has an option out of range.
            NoShardAnsweredError: no shard answered.
        """
        check_request(request, self.limits)
        options, clock = request.options, Stopwatch(deadline_s)
        if len(request.answer) <= _SHORT_ANSWER_CHARS:
            query = tokenize(request.answer, self._tokenizer, options)
        else:
            query = await self._off_loop(tokenize, request.answer, self._tokenizer, options)
        clock.lap("tokenize")
        answers = _require_one(await fan_out(query, self._shards, clock.left_s() * _SEARCH_SHARE))
        matches = union(query, answers.matches)
        clock.lap("search")
        allowed = allowed_spans(matches, options)
        spans = keep_spans(matches, allowed, options)
        clock.lap("filter")
        retrieved = await retrieve(query, spans, self._shards, options, self.limits, clock.left_s())
        clock.lap("retrieve")
        # Two milliseconds as a rule, half a second at the limits.
        traced = await self._off_loop(_rank, query, spans, retrieved.occurrences, request)
        clock.lap("rank")
        return Trace(
            answer=request.answer,
            num_tokens=len(query.token_ids),
            num_maximal_spans=len(allowed),
            spans=traced.spans,
            merged_spans=traced.merged_spans,
            documents=traced.documents,
            coverage=coverage(len(self._shards), answers, retrieved.failed),
            timings=clock.timings(),
            stats=trace_stats(query, answers, retrieved),
            index_id=self._index.index_id,
        )

    async def count(self, text: str, deadline_s: float) -> Count:
        """Returns how often ``text`` occurs, token for token.

        Raises:
            InvalidRequestError: the text is empty or too long.
            NoShardAnsweredError: no shard answered.
        """
        check_text("text", text, self.limits)
        query = whole_text(text, self._tokenizer)
        answers = _require_one(await fan_out(query, self._shards, deadline_s))
        matches = union(query, answers.matches)
        return Count(
            num_tokens=len(query.token_ids),
            count=int(matches.counts.sum()),
            coverage=coverage(len(self._shards), answers),
        )

    async def get_document(self, id: DocumentId, start: int, max_tokens: int, deadline_s: float) -> DocumentText:
        """Returns up to ``max_tokens`` tokens of a document from ``start`` on.

        Raises:
            InvalidRequestError: the range is out of bounds.
            DocumentNotFoundError: there is no such document.
            ShardUnavailableError: its shard did not answer.
        """
        check_document_range(start, max_tokens, self.limits)
        for shard in self._shards:
            if shard.shard == id.shard:
                return await shard.get_document(id.number, start, max_tokens, deadline_s)
        raise DocumentNotFoundError(
            f"document {id}: there is no shard {id.shard}, the index has shards 0 to {len(self._shards) - 1}"
        )

    async def describe(self, deadline_s: float) -> IndexDescription:
        """Returns what is served, as far as the shards answer."""
        shards, failed = await ask(self._shards, lambda shard: shard.describe(deadline_s), deadline_s)
        return IndexDescription(
            index_id=self._index.index_id,
            source=self._index.source,
            stage=self._index.stage,
            tokenizer_sha256=self._index.tokenizer_sha256,
            token_width=self._index.token_width,
            num_shards=self._index.num_shards,
            shards=tuple(shards),
            failed_shards=tuple(failed),
            max_answer_chars=self.limits.max_answer_chars,
        )

    async def _off_loop(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Calls a function that takes longer than an event loop may be blocked."""
        return function(*args, **kwargs) if self._owns_loop else await to_thread(function, *args, **kwargs)


def _rank(
    query: Query, spans: Sequence[MaximalSpan], occurrences: Sequence[Occurrence], request: TraceRequest
) -> Traced:
    documents = rerank(merge_documents(occurrences), occurrences, request)
    return assemble(query, spans, occurrences, documents)


def _require_one(answers: Answers) -> Answers:
    if not answers.matches:
        reasons = "; ".join(f"shard {failed.shard}: {failed.reason}" for failed in answers.failed)
        raise NoShardAnsweredError(f"no shard answered ({reasons or 'none is configured'})")
    return answers
