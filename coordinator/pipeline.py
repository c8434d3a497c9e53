"""One answer in, one trace out: the steps in order, over any shards of any corpora."""

from asyncio import to_thread
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Concatenate, ParamSpec, TypeVar

from coordinator.corpus import Corpus, check_corpora, check_generation, chosen_corpora
from coordinator.errors import (
    DocumentNotFoundError,
    IncompleteAnswerError,
    NoShardAnsweredError,
)
from coordinator.options import RequestLimits, check_document_range, check_request, check_text
from coordinator.ports import ShardPort
from coordinator.redaction.display import Display, Shown, gathered_shown
from coordinator.redaction.pages import shown_page
from coordinator.redaction.personal import PersonalTexts, refuse_personal, refuse_telling
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import (
    CorpusDescription,
    Count,
    Coverage,
    Description,
    DocumentsFound,
    DocumentText,
    SpansFound,
    Trace,
    TraceEvent,
    Withheld,
)
from coordinator.steps import bm25
from coordinator.steps.assemble import Traced, assemble, assemble_documents, assemble_spans
from coordinator.steps.coverage import coverage
from coordinator.steps.fan_out import ask, fan_out
from coordinator.steps.filter import allowed_spans, keep_spans
from coordinator.steps.merge import merge_documents
from coordinator.steps.rerank import rerank
from coordinator.steps.retrieve import draw_all, gathered, retrieve_each
from coordinator.steps.stats import trace_stats
from coordinator.steps.stopwatch import Stopwatch
from coordinator.steps.tokenize import tokenize, whole_text
from coordinator.steps.union import union
from coordinator.streaming import ranking_of
from coordinator.values import Answers, DocumentId, MaximalSpan, Occurrence, Query, ShardId
from index_format.tokenizer import Tokenizer

_P = ParamSpec("_P")
_T = TypeVar("_T")

# Of the time that is left, what the first round may take: a shard that hangs must not keep the others from showing
# what they hold.
_SEARCH_SHARE = 0.6

# Tokenizing takes 0.2 ms for 1,000 characters, a thread and back 0.05 ms: up to here it may run on the event loop.
_SHORT_TEXT_CHARS = 4_000

_MAX_SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class _Searched:
    """What is known after the first round."""

    query: Query
    spans: tuple[MaximalSpan, ...]
    num_maximal_spans: int
    coverage: Coverage


class Pipeline:
    """Answers requests against some corpora. Holds no state between requests."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        shards: Sequence[ShardPort],
        corpora: Sequence[Corpus],
        limits: RequestLimits | None = None,
        *,
        display: Display | None = None,
        owns_loop: bool = False,
    ):
        """Takes the corpora's one tokenizer, a port for each of their shards, and the corpora themselves.

        ``display`` decides what is shown of documents; without one, personal data in them is redacted. With
        ``owns_loop`` each request runs on an event loop of its own, so that it may block it.

        Raises:
            ConfigurationError: two corpora have the same name or different tokenizers.
        """
        check_corpora(corpora)
        self._tokenizer = tokenizer
        self._shards = {shard.shard: shard for shard in shards}
        self._corpora = {corpus.name: corpus for corpus in corpora}
        self._stages = {corpus.name: corpus.stage for corpus in corpora}
        self.limits = limits or RequestLimits()
        self._display = display or Display()
        self._owns_loop = owns_loop
        bm25.prepare()

    async def trace(self, request: TraceRequest, deadline_s: float) -> Trace:
        """Returns the trace of an answer, over the shards that answer within ``deadline_s`` seconds.

        Raises:
            InvalidRequestError: the request is empty, too long, has an option out of range or names no corpus of ours.
            NoShardAnsweredError: no shard answered.
            IncompleteAnswerError: a shard did not, and the request requires all of them.
            ViewChangedError: documents were taken down meanwhile; another generation answers.
        """
        async with aclosing(self._steps(request, deadline_s, is_told_as_it_comes=False)) as steps:
            async for step in steps:
                if isinstance(step, Trace):
                    return step
        raise AssertionError("the steps end with a trace")

    async def stream(self, request: TraceRequest, deadline_s: float) -> AsyncGenerator[TraceEvent, None]:
        """Yields the same trace as it comes about: spans, the documents of each shard, the ranking.

        When the iteration is ended early, the calls to the shards are cancelled. Raises as `trace` does.
        """
        async with aclosing(self._steps(request, deadline_s, is_told_as_it_comes=True)) as steps:
            async for step in steps:
                if isinstance(step, _Searched):
                    found = assemble_spans(step.query, step.spans)
                    yield SpansFound(
                        num_tokens=len(step.query.token_ids),
                        spans=found.spans,
                        merged_spans=found.merged_spans,
                        num_maximal_spans=step.num_maximal_spans,
                        coverage=step.coverage,
                    )
                elif isinstance(step, Trace):
                    yield ranking_of(step)
                elif allowed := step.allowed:
                    yield DocumentsFound(assemble_documents(allowed, self._stages, step.redacted))

    async def _steps(
        self, request: TraceRequest, deadline_s: float, *, is_told_as_it_comes: bool
    ) -> AsyncGenerator[_Searched | Shown | Trace, None]:
        """Yields what is known as soon as it is: after the search, after each shard's windows, and at the end.

        What nobody is told meanwhile is made at once at the end, which takes less time; and can still begin again.
        """
        check_request(request, self.limits)
        corpora, shards = self._chosen(request.corpora)
        personal = None
        if self._display.refuses_personal_queries:
            personal = await self._off_loop(refuse_personal, "answer", request.answer, self._display)
        options, clock = request.options, Stopwatch(deadline_s)
        query = await self._tokenized(tokenize, request.answer, self._tokenizer, options)
        clock.lap("tokenize")
        answers = _require_one(await fan_out(query, shards, clock.left_s() * _SEARCH_SHARE))
        covered = _require_complete(coverage(corpora, answers), request.require_complete)
        matches = union(query, answers.matches)
        clock.lap("search")
        allowed = allowed_spans(matches, options)
        spans = _impersonal(keep_spans(matches, allowed, options), query, personal)
        drawn = draw_all(spans, options, self.limits)
        clock.lap("filter")
        yield _Searched(query, spans, len(allowed), covered)
        parts, may_be_shown = [], []
        views = {found.shard: found.view_id for found in answers.matches}
        answering = retrieve_each(
            query, spans, drawn, shards, options, clock.left_s(), views, may_begin_again=not is_told_as_it_comes
        )
        async with aclosing(answering) as retrieving:
            async for part in retrieving:
                parts.append(part)
                if not is_told_as_it_comes:
                    continue
                may_be_shown.append(await self._off_loop(self._display.shown, part[1].occurrences))
                if part[1].occurrences:
                    yield may_be_shown[-1]
        retrieved = gathered(parts)
        told = gathered_shown([drawn for drawn, _ in parts], may_be_shown) if is_told_as_it_comes else None
        covered = _require_complete(coverage(corpora, answers, retrieved.failed), request.require_complete)
        clock.lap("retrieve")
        # Two milliseconds as a rule, half a second at the limits.
        traced, shown = await self._off_loop(self._rank, query, spans, retrieved.occurrences, told, request)
        clock.lap("rank")
        yield Trace(
            answer=request.answer,
            num_tokens=len(query.token_ids),
            num_maximal_spans=len(allowed),
            spans=traced.spans,
            merged_spans=traced.merged_spans,
            documents=traced.documents,
            coverage=covered,
            timings=clock.timings(),
            stats=trace_stats(query, answers, retrieved),
            withheld=Withheld(
                occurrences=matches.withheld_elsewhere + sum(span.withheld_count for span in spans),
                redacted=sum(shown.redacted.values()),
                documents=len(shown.withheld),
            ),
        )

    async def count(self, request: CountRequest, deadline_s: float) -> Count:
        """Returns how often a text occurs, token for token.

        Raises:
            InvalidRequestError: the text is empty or too long, or the request names no corpus of ours.
            NoShardAnsweredError: no shard answered.
            IncompleteAnswerError: a shard did not, and the request requires all of them.
        """
        check_text("text", request.text, self.limits)
        if self._display.refuses_personal_queries:
            await self._off_loop(refuse_telling, "text", request.text, self._display)
        corpora, shards = self._chosen(request.corpora)
        query = await self._tokenized(whole_text, request.text, self._tokenizer)
        answers = _require_one(await fan_out(query, shards, deadline_s))
        covered = _require_complete(coverage(corpora, answers), request.require_complete)
        matches = union(query, answers.matches)
        return Count(
            num_tokens=len(query.token_ids),
            count=int(matches.counts.sum()),
            coverage=covered,
            withheld=Withheld(occurrences=matches.withheld_elsewhere + int(matches.withheld_counts.sum())),
        )

    async def get_document(
        self, id: DocumentId, start: int, max_tokens: int, deadline_s: float, index_id: str = ""
    ) -> DocumentText:
        """Returns up to ``max_tokens`` tokens of a document from ``start`` on.

        An id names a document of one index only: ``index_id`` says of which, if that matters.

        Raises:
            InvalidRequestError: the range is out of bounds.
            DocumentNotFoundError: there is no such document.
            GenerationGoneError: the corpus is of another index than ``index_id``.
            ShardUnavailableError: its shard did not answer.
        """
        check_document_range(start, max_tokens, self.limits)
        if id.corpus not in self._corpora:
            raise DocumentNotFoundError(
                f"document {id}: there is no corpus {id.corpus!r}, only {', '.join(self._corpora)}"
            )
        served = self._corpora[id.corpus].index.index_id
        check_generation(id, index_id, served)
        shard = self._shards.get(ShardId(id.corpus, id.shard))
        if shard is None:
            last = self._corpora[id.corpus].index.num_shards - 1
            raise DocumentNotFoundError(
                f"document {id}: there is no shard {id.shard}, the index has shards 0 to {last}"
            )
        ends = monotonic() + deadline_s

        async def read(start: int, max_tokens: int) -> DocumentText:
            return await shard.get_document(id.number, start, max_tokens, max(0.001, ends - monotonic()))

        most = self.limits.max_document_tokens
        found = await shown_page(self._display, read, start, max_tokens, most, self._off_loop)
        return replace(found, index_id=served)

    async def describe(self, deadline_s: float) -> Description:
        """Returns what is served, as far as the shards answer."""
        shards, failed = await ask(tuple(self._shards.values()), lambda shard: shard.describe(deadline_s), deadline_s)
        return Description(
            corpora=tuple(
                CorpusDescription(
                    name=corpus.name,
                    display_name=corpus.display_name,
                    stage=corpus.stage,
                    source=corpus.index.source,
                    index_id=corpus.index.index_id,
                    tokenizer_sha256=corpus.index.tokenizer_sha256,
                    token_width=corpus.index.token_width,
                    num_tokens=corpus.index.num_tokens,
                    num_documents=corpus.index.num_documents,
                    num_shards=corpus.index.num_shards,
                    shards=tuple(one for one in shards if one.shard.corpus == corpus.name),
                    failed_shards=tuple(one for one in failed if one.shard.corpus == corpus.name),
                )
                for corpus in self._corpora.values()
            ),
            max_answer_chars=self.limits.max_answer_chars,
            max_prompt_chars=self.limits.max_prompt_chars,
            max_document_tokens=self.limits.max_document_tokens,
        )

    def _chosen(self, names: Sequence[str]) -> tuple[tuple[Corpus, ...], tuple[ShardPort, ...]]:
        """Returns the corpora of those names and their shards."""
        corpora = chosen_corpora(names, self._corpora)
        asked = {corpus.name for corpus in corpora}
        return corpora, tuple(shard for id_, shard in self._shards.items() if id_.corpus in asked)

    def _rank(
        self,
        query: Query,
        spans: Sequence[MaximalSpan],
        occurrences: Sequence[Occurrence],
        told: Shown | None,
        request: TraceRequest,
    ) -> tuple[Traced, Shown]:
        shown = self._display.shown(occurrences) if told is None else told
        # By what is shown: a score over the rest would tell whoever asks with guessed words what that says.
        ranked = rerank(merge_documents(shown.occurrences), shown.readable, request)
        documents = [one for one in ranked if one.document.id not in shown.withheld]
        return assemble(query, spans, shown.occurrences, documents, self._stages, shown.redacted), shown

    async def _tokenized(
        self, function: Callable[Concatenate[str, _P], Query], text: str, *args: _P.args, **kwargs: _P.kwargs
    ) -> Query:
        if len(text) <= _SHORT_TEXT_CHARS:
            return function(text, *args, **kwargs)
        return await self._off_loop(function, text, *args, **kwargs)

    async def _off_loop(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Calls a function that takes longer than an event loop may be blocked."""
        return function(*args, **kwargs) if self._owns_loop else await to_thread(function, *args, **kwargs)


def _impersonal(
    spans: tuple[MaximalSpan, ...], query: Query, personal: PersonalTexts | None
) -> tuple[MaximalSpan, ...]:
    """Returns the spans that tell of nobody."""
    if personal is None:
        return spans
    chars = query.boundaries
    return tuple(one for one in spans if not personal.is_telling(int(chars[one.start]), int(chars[one.end])))


def _require_one(answers: Answers) -> Answers:
    if not answers.matches:
        reasons = "; ".join(f"shard {failed.shard}: {failed.reason}" for failed in answers.failed)
        raise NoShardAnsweredError(f"no shard answered ({reasons or 'none is configured'})")
    return answers


def _require_complete(covered: Coverage, required: bool) -> Coverage:
    if required and not covered.complete:
        reasons = "; ".join(f"shard {failed.shard}: {failed.reason}" for failed in covered.failed_shards)
        raise IncompleteAnswerError(f"the answer would not be complete ({reasons})")
    return covered
