"""The coordinator, free of any server: who may ask, in which order, and what is known already, round the pipeline.

The Serve application and plain gRPC and HTTP servers in tests are shells round this class.
"""

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager
from dataclasses import fields
from typing import Self

from coordinator.access.gate import Gate
from coordinator.access.own_rate import own_rate_of
from coordinator.access.shown_text import ShownText
from coordinator.access.shown_traces import without_documents
from coordinator.access.told_numbers import is_told, untold_count, untold_events
from coordinator.admission.queue import AdmissionQueue
from coordinator.admission.rate_limit import CHARS_PER_TOKEN, RateLimit, estimated_tokens
from coordinator.admission.result_cache import ResultCache, cache_key
from coordinator.admission.single_flight import SingleFlight
from coordinator.api import caller
from coordinator.api.codec import decode_coverage, encode_trace
from coordinator.api.large_answers import num_chars, off_loop_if_large
from coordinator.cluster.generation import Generation, GenerationKey
from coordinator.cluster.serving import Serving
from coordinator.config import CoordinatorConfig
from coordinator.errors import ConfigurationError, OverloadedError, RateLimitedError
from coordinator.loop_watch import LoopWatch
from coordinator.made_answer import MadeAnswer
from coordinator.metrics import CoordinatorMetrics
from coordinator.options import check_request, check_text
from coordinator.readiness import CorpusReadiness, Readiness
from coordinator.redaction.open_display import open_display
from coordinator.request_record import RequestRecord, recorded
from coordinator.requests import CountRequest, TraceRequest
from coordinator.results import Count, Description, DocumentText, SpansFound, Timings, Trace, TraceEvent
from coordinator.streaming import events_of, trace_of
from coordinator.takedown_admin import TakedownAdmin
from coordinator.takedowns import Takedown, TakedownPreview, TakedownsAdded, TakedownsLifted, TakedownsListed
from coordinator.values import DocumentId
from protos.coordinator.v1 import coordinator_pb2 as pb
from runtime import telemetry
from runtime.listener import Readiness as Probe

# A document's length is known only once it is read; most are shorter than this.
_ESTIMATED_DOCUMENT_TOKENS = 1_000


class Coordinator:
    """Answers requests. Belongs to one event loop.

    Attributes:
        metrics: What it counts.
        gate: Says who may ask; its faces ask it before they ask here.
    """

    def __init__(
        self, serving: Serving, config: CoordinatorConfig, metrics: CoordinatorMetrics, gate: Gate | None = None
    ):
        """Takes a gate; without one, everybody may ask."""
        self.gate = gate or Gate()
        self._shown = ShownText(config, config.num_replicas, metrics)
        self._serving = serving
        self._takedowns = TakedownAdmin(serving)
        self._config = config
        self._limits = config.limits
        self.metrics = metrics
        self._queue = AdmissionQueue(config.max_running_requests, config.max_queued_requests, metrics)
        self._cache = ResultCache(config.result_cache_bytes, metrics)
        self._kept_for: GenerationKey = ()
        self._flights = SingleFlight()
        # Each replica sees its share of a client's requests.
        self._rate = RateLimit(
            config.rate_limit_tokens_per_s / config.num_replicas, config.rate_limit_burst_tokens / config.num_replicas
        )
        metrics.watch(
            num_running=lambda: self._queue.num_running,
            num_waiting=lambda: self._queue.num_waiting,
            num_limited_clients=lambda: self._rate.num_clients,
        )
        self._loop_watch = LoopWatch(self._on_beat)

    @classmethod
    async def open(cls, config: CoordinatorConfig, metrics: CoordinatorMetrics | None = None) -> Self:
        """Returns a coordinator that is connected to the shards of its cluster file.

        Raises:
            ConfigurationError: the cluster file, key file or rules of redaction are wrong, the audit log cannot be
                written, or all that answers of a shard is not of its index.
            IndexFormatError: an index's manifest or tokenizer is missing or not what it should be.
        """
        metrics = metrics or CoordinatorMetrics()
        gate = Gate(config.keys_file, config.audit_log, observer=metrics)
        display = open_display(config)
        serving = await Serving.open(
            config.cluster_file,
            config,
            limits=config.limits,
            observer=metrics,
            display=display,
            on_takedowns=gate.audit_log.write_in_force,
        )
        try:
            display.rules.check_corpora([name for name, *_ in serving.key])
        except ConfigurationError:
            await serving.close()
            raise
        gate.watch(config.reload_interval_s)
        return cls(serving, config, metrics, gate)

    async def close(self) -> None:
        """Closes the connections."""
        await self._loop_watch.close()
        await self.gate.close()
        await self._serving.close()

    async def trace(self, request: TraceRequest, timeout_ms: int = 0) -> Trace:
        """Returns the trace of an answer.

        Raises:
            OverloadedError: there is no turn for it in time, or its client asks too much.
            CoordinatorError: as `Pipeline.trace`.
        """
        return await (await self._shown_trace(request, timeout_ms)).as_trace()

    async def trace_response(self, request: TraceRequest, timeout_ms: int = 0) -> pb.TraceResponse:
        """Returns what `trace` does, as a message: an answer that is known already is read much faster as one."""
        return await (await self._shown_trace(request, timeout_ms)).as_response()

    async def trace_stream(self, request: TraceRequest, timeout_ms: int = 0) -> AsyncGenerator[TraceEvent, None]:
        """Yields the trace of an answer as it comes about. Closing it stops the work. Raises as `trace` does.

        It keeps its turn until its last event is taken, so the events must not wait for whoever reads them.
        """
        shown = self._shown.events(self._trace_events(request, timeout_ms), caller.current(), request.options)
        if not is_told(caller.current()):
            shown = untold_events(shown, self._serving.withholds(request.corpora))
        async with aclosing(shown) as events:
            async for event in events:
                yield event

    async def _trace_events(self, request: TraceRequest, timeout_ms: int) -> AsyncGenerator[TraceEvent, None]:
        with self._recorded("TraceStream", timeout_ms) as record:
            check_request(request, self._limits)
            self._shown.check(caller.current())
            async with self._serving.current() as generation:
                with self._reserved(len(request.answer), record, extra_chars=len(request.prompt)):
                    key = self._key(request, generation)
                    kept = self._kept(key)
                    if kept is not None:
                        for event in events_of(await self._known(kept, record).as_trace()):
                            yield event
                        return
                    if key is not None:
                        self.metrics.cache_asked("miss")
                    told: list[TraceEvent] = []
                    async with (
                        self._turn("Trace", record),
                        aclosing(self._serving.stream_on(generation, request, lambda: record.left_s)) as made,
                    ):
                        async for event in made:
                            told.append(event)
                            if isinstance(event, SpansFound):
                                record.found(event.num_tokens, event.coverage)
                            yield event
                    await self._made(trace_of(request.answer, told), generation, key, record)

    async def count(self, request: CountRequest, timeout_ms: int = 0) -> Count:
        """Returns how often a text occurs. Raises `OverloadedError`, and as `Pipeline.count` does."""
        with self._recorded("Count", timeout_ms) as record:
            check_text("text", request.text, self._limits)
            async with self._serving.current() as generation:
                with self._reserved(len(request.text), record):
                    async with self._turn("Count", record):
                        count = await self._serving.on(
                            generation,
                            lambda pipeline: pipeline.count(request, record.left_s),
                            lambda: record.left_s,
                        )
                    record.found(count.num_tokens, count.coverage)
                    self.metrics.covered(count.coverage)
                    if is_told(caller.current()):
                        return count
                    return untold_count(count, self._serving.withholds(request.corpora))

    async def get_document(
        self, document: DocumentId, start: int = 0, max_tokens: int = 0, timeout_ms: int = 0, index_id: str = ""
    ) -> DocumentText:
        """Returns a run of a document; 0 tokens means the most at once, no ``index_id`` whichever index is served.

        Raises `OverloadedError`, and as `Pipeline.get_document` does.
        """
        wanted = max_tokens or self._limits.max_document_tokens
        with self._recorded("GetDocument", timeout_ms) as record:
            self._shown.check(caller.current())
            async with self._serving.current() as generation:
                with self._reserved(CHARS_PER_TOKEN * min(wanted, _ESTIMATED_DOCUMENT_TOKENS), record):
                    wanted = self._shown.reach(caller.current(), document, start, wanted)
                    async with self._turn("GetDocument", record):
                        record.num_tokens = 0  # until there are some
                        found = await self._serving.on(
                            generation,
                            lambda pipeline: pipeline.get_document(document, start, wanted, record.left_s, index_id),
                            lambda: record.left_s,
                        )
                    record.num_tokens = found.end - found.start
                    self._shown.take_document_text(caller.current(), found)
                    return found

    async def add_takedowns(self, takedowns: Sequence[Takedown], timeout_ms: int = 0) -> TakedownsAdded:
        """Takes documents down. When it returns, no answer shows them; raises as `TakedownAdmin.add` does."""
        with self._recorded("AddTakedowns", timeout_ms) as record:
            return await self._takedowns.add(takedowns, lambda: record.left_s)

    async def lift_takedowns(self, ids: Sequence[str], timeout_ms: int = 0) -> TakedownsLifted:
        """Ends takedowns. Raises as `TakedownAdmin.lift` does."""
        with self._recorded("LiftTakedowns", timeout_ms) as record:
            return await self._takedowns.lift(ids, lambda: record.left_s)

    async def list_takedowns(self, timeout_ms: int = 0) -> TakedownsListed:
        """Returns the takedowns in force. Raises as `TakedownAdmin.list` does."""
        with self._recorded("ListTakedowns", timeout_ms):
            return await self._takedowns.list()

    async def preview_takedown(
        self, takedown: Takedown, max_documents: int, min_copied_share: float = 0.0, timeout_ms: int = 0
    ) -> TakedownPreview:
        """Returns what a takedown would concern. Raises as `TakedownAdmin.preview` does."""
        with self._recorded("PreviewTakedown", timeout_ms) as record:
            return await self._takedowns.preview(takedown, max_documents, min_copied_share, lambda: record.left_s)

    async def describe(self, timeout_ms: int = 0) -> Description:
        """Returns what is served. Takes no turn: operators ask when nothing else gets through."""
        with self._recorded("Describe", timeout_ms) as record:
            async with self._serving.current() as generation:
                return await generation.pipeline.describe(record.left_s)

    @property
    def is_alive(self) -> bool:
        """Whether the event loop runs."""
        return self._loop_watch.is_beating

    def readiness(self) -> Readiness:
        """Returns whether requests should be sent here. Asks no shard, costs nothing."""
        found = self._serving.readiness()
        lost = self._serving.lost_shards()
        corpora = []
        for corpus, share in self._serving.searchable_by_corpus().items():
            reasons = [f"{shard}: {reason}" for shard, reason in lost.items() if shard.corpus == corpus]
            corpora.append(CorpusReadiness(corpus, share, "; ".join(reasons)))
        return Readiness(found.is_ready, tuple(corpora), str(found.details.get("reason", "")))

    def probe(self) -> Probe:
        """Returns the same for an operator, from any thread. Not ready while the event loop does not run."""
        if not self.is_alive:
            return Probe(False, {"reason": "the event loop does not run"})
        return self._serving.readiness()

    async def _shown_trace(self, request: TraceRequest, timeout_ms: int) -> MadeAnswer:
        """Returns a trace, or the part of it that its caller may be shown."""
        answer = await self._trace(request, timeout_ms)
        left_out = self._shown.left_out(answer.documents, caller.current(), request.options)
        if left_out:
            answer = MadeAnswer(without_documents(await answer.as_trace(), left_out))
        return answer if is_told(caller.current()) else answer.untold(self._serving.withholds(request.corpora))

    async def _trace(self, request: TraceRequest, timeout_ms: int) -> MadeAnswer:
        with self._recorded("Trace", timeout_ms) as record:
            check_request(request, self._limits)
            self._shown.check(caller.current())
            async with self._serving.current() as generation:
                with self._reserved(len(request.answer), record, extra_chars=len(request.prompt)):
                    key = self._key(request, generation)
                    kept = self._kept(key) or await self._found_by_another(key, record)
                    if kept is not None:
                        return self._known(kept, record)
                    if key is None:
                        return (await self._work(request, generation, None, record))[1]
                    self.metrics.cache_asked("miss")
                    return await self._flights.lead(key, lambda: self._work(request, generation, key, record))

    def _key(self, request: TraceRequest, generation: Generation) -> bytes | None:
        """Returns what an answer is kept under; None if none is kept."""
        self._forget_others(generation.key)
        return cache_key(generation.key, request) if self._cache.is_on else None

    def _forget_others(self, key: GenerationKey) -> None:
        """Empties the cache of what another generation answered: nothing of what was taken down stays in memory."""
        if key != self._kept_for:
            self._kept_for = key
            self._cache.clear()

    def _kept(self, key: bytes | None) -> bytes | None:
        """Returns an earlier answer."""
        if key is None:
            return None
        kept = self._cache.get(key)
        if kept is not None:
            self.metrics.cache_asked("hit")
        return kept

    async def _found_by_another(self, key: bytes | None, record: RequestRecord) -> bytes | None:
        """Returns what an equal request finds that is worked on now, if there is one and it finds something."""
        if key is None:
            return None
        try:
            found = await self._flights.join(key, record.deadline)
            if found is not None:
                self.metrics.cache_asked("shared")
            return found
        except TimeoutError:
            raise OverloadedError(
                "an equal request is still worked on; come back in 1 s, its answer may be there then", 1.0
            ) from None

    async def _work(
        self, request: TraceRequest, generation: Generation, key: bytes | None, record: RequestRecord
    ) -> tuple[bytes | None, MadeAnswer]:
        """Returns a new trace, and its bytes if equal requests may have it too."""
        async with self._turn("Trace", record):
            trace = await self._serving.on(
                generation, lambda pipeline: pipeline.trace(request, record.left_s), lambda: record.left_s
            )
            return await self._made(trace, generation, key, record)

    async def _made(
        self, trace: Trace, generation: Generation, key: bytes | None, record: RequestRecord
    ) -> tuple[bytes | None, MadeAnswer]:
        """Takes note of a trace that is new, and keeps it if it is complete and nothing has changed meanwhile."""
        record.found(trace.num_tokens, trace.coverage)
        record.cached = False
        self.metrics.traced(trace)
        if telemetry.is_on():
            _record_steps(trace.timings)
        self.metrics.covered(trace.coverage)
        if key is None or not trace.coverage.complete:
            return None, MadeAnswer(trace)
        response = await off_loop_if_large(encode_trace, trace, num_chars(trace))
        content = response.SerializeToString()
        if generation.key == self._serving.key:  # what may quote documents that were taken down meanwhile is not kept
            self._cache.put(key, content)
        return content, MadeAnswer(trace, response)

    def _known(self, kept: bytes, record: RequestRecord) -> MadeAnswer:
        """Returns an earlier answer."""
        response = pb.TraceResponse.FromString(kept)
        response.trace.cached = True
        coverage = decode_coverage(response.trace.coverage)
        record.found(response.trace.num_tokens, coverage)
        record.cached = True
        self.metrics.covered(coverage)
        return MadeAnswer(response=response)

    @asynccontextmanager
    async def _turn(self, kind: str, record: RequestRecord) -> AsyncGenerator[None, None]:
        """Holds a turn of the queue while the block runs."""
        async with self._queue.turn(kind, record.deadline):
            record.had_turn = True
            yield

    @contextmanager
    def _reserved(self, num_chars: int, record: RequestRecord, extra_chars: int = 0) -> Iterator[None]:
        """Counts a request for its client: as so many tokens as its characters may be, until they are known.

        ``extra_chars`` is text that is never tokenized, so that the estimate stands.
        """
        extra_tokens = estimated_tokens(extra_chars) if extra_chars else 0
        asks = caller.current()
        own_rate = own_rate_of(asks.holder, self._config) if asks.holder else None
        try:
            reservation = self._rate.reserve(asks.client_id, estimated_tokens(num_chars) + extra_tokens, own_rate)
        except RateLimitedError:
            self.metrics.refused("rate_limit")
            raise
        try:
            yield
        finally:
            if record.num_tokens is not None:
                reservation.settle(max(record.num_tokens, 1) + extra_tokens)
            elif not record.had_turn:
                reservation.settle(0)  # nothing was done for it

    def _recorded(self, method: str, timeout_ms: int) -> AbstractContextManager[RequestRecord]:
        timeout_ms = min(timeout_ms or self._config.default_timeout_ms, self._config.max_timeout_ms)
        return recorded(method, timeout_ms / 1000, self.metrics)

    def _on_beat(self, late_s: float) -> None:
        self.metrics.lagged(late_s)
        self._forget_others(self._serving.key)
        self.metrics.readiness_changed(self.readiness())


def _record_steps(timings: Timings) -> None:
    """Records an otel_span for each step of a trace that has just ended."""
    names = [field.name for field in fields(Timings) if field.name != "total_ms"]
    began_ns = time.time_ns() - int(timings.total_ms * 1e6)
    for name in names:
        ended_ns = began_ns + int(getattr(timings, name) * 1e6)
        telemetry.record_otel_span(name.removesuffix("_ms"), began_ns, ended_ns)
        began_ns = ended_ns
