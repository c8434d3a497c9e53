"""An index searched in this process: the coordinator's pipeline over shards that are opened here, no server."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import suffix_engine
from coordinator.api.json_codec import parse_document_id
from coordinator.corpus import DEFAULT_NAME, Corpus, check_corpora
from coordinator.errors import ConfigurationError
from coordinator.options import RequestLimits
from coordinator.pipeline import Pipeline
from coordinator.redaction.open_display import open_display
from coordinator.redaction.settings import DEFAULT_REDACTION, RedactionSettings
from coordinator.requests import CountRequest, TraceOptions, TraceRequest
from coordinator.results import Count, Description, DocumentText, Trace, TraceEvent
from coordinator.streaming import events_of
from coordinator.takedown_list import NO_TAKEDOWNS
from coordinator.values import DocumentId
from headwater.embedded_shard import EmbeddedShard
from headwater.embedded_takedowns import left_out, read_takedowns, takedowns_by_corpus, without
from index_format.errors import ManifestError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest
from index_format.takedowns import Takedown
from index_format.tokenizer import Tokenizer, open_tokenizer

_T = TypeVar("_T")

# Local disks answer in milliseconds; only a disk that has failed comes near this.
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_DOCUMENT_TOKENS = 2_000


class EmbeddedIndex:
    """An open index. Safe to call from several threads, and from a notebook whose event loop is running.

    A call runs the pipeline in the caller's thread, on an event loop that no other call uses meanwhile.
    """

    def __init__(
        self,
        index: str | PathLike[str] | Mapping[str, str | PathLike[str]],
        *,
        takedowns: str | PathLike[str] | None = None,
        redaction: str | RedactionSettings = DEFAULT_REDACTION,
    ):
        """Opens every shard of an index directory, or of several by corpus name (see `headwater.open`).

        Raises:
            IndexFormatError: there is no finished index, or a file, size or the tokenizer is not as
                published.
            EngineError: the files of a shard contradict one another.
            ConfigurationError: no corpus is named, two have different tokenizers, or the takedowns or the settings of
                redaction cannot be read.
        Cost: O(documents) a shard; no text is read. Takedowns by url, domain or source read all metadata.
        """
        directories = index if isinstance(index, Mapping) else {DEFAULT_NAME: index}
        if not directories:
            raise ConfigurationError("no corpus is named, expected at least one")
        paths = [Path(directory) for directory in directories.values()]
        corpora = [
            Corpus.of_index(IndexManifest.load(path), name) for name, path in zip(directories, paths, strict=True)
        ]
        check_corpora(corpora)
        display = open_display(RedactionSettings(redaction=redaction) if isinstance(redaction, str) else redaction)
        tokenizer = open_tokenizer(paths[0], corpora[0].index)
        listed = NO_TAKEDOWNS if takedowns is None else read_takedowns(Path(takedowns))
        index_ids = {corpus.name: corpus.index.index_id for corpus in corpora}
        obeyed = takedowns_by_corpus(listed, index_ids, is_named=isinstance(index, Mapping))
        num_shards = sum(corpus.index.num_shards for corpus in corpora)
        self._executor = ThreadPoolExecutor(
            max_workers=min(32, max(4, num_shards)), thread_name_prefix="headwater-shard"
        )
        executor = self._executor if num_shards > 1 else None
        shards = _open_shards(corpora, paths, obeyed, tokenizer, executor)
        self._pipeline = Pipeline(tokenizer, shards, corpora, RequestLimits(), display=display, owns_loop=True)
        self._idle_loops: deque[asyncio.AbstractEventLoop] = deque()
        self._closed = False

    def trace(
        self,
        answer: str,
        prompt: str = "",
        options: TraceOptions | None = None,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Trace:
        """Traces an answer to the documents that hold its passages.

        Args:
            answer: What the model wrote.
            prompt: What it was asked; weighs in the ranking of documents, is not traced itself.
            options: How to trace; by default as OLMoTrace does.
            corpora: Names of the corpora to search; none means every one.
            require_complete: Whether a trace that misses a shard is an error instead.
            timeout_s: Seconds after which shards that have not answered are reported as failed. A single shard is
                searched in this thread, and not cut short.

        Raises:
            InvalidRequestError: the answer is empty or too long, or an option is out of range.
            NoShardAnsweredError: no shard answered.
            IncompleteAnswerError: a shard did not, and all are required.
        """
        request = TraceRequest(answer, prompt, options or TraceOptions(), tuple(corpora), require_complete)
        return self._run(self._pipeline.trace(request, timeout_s))

    def trace_stream(
        self,
        answer: str,
        prompt: str = "",
        options: TraceOptions | None = None,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Iterator[TraceEvent]:
        """Yields the events of a trace: spans, documents, ranking. Here they are all made before the first is given.

        Arguments and errors are those of `trace`.
        """
        trace = self.trace(
            answer, prompt, options, corpora=corpora, require_complete=require_complete, timeout_s=timeout_s
        )
        return events_of(trace)

    def count(
        self,
        text: str,
        *,
        corpora: Sequence[str] = (),
        require_complete: bool = False,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Count:
        """Counts how often a text occurs, token for token. ``corpora`` and ``require_complete`` are as in `trace`.

        Raises:
            InvalidRequestError: the text is empty or too long.
        """
        return self._run(self._pipeline.count(CountRequest(text, tuple(corpora), require_complete), timeout_s))

    def document(
        self,
        id: DocumentId | str,
        start: int = 0,
        max_tokens: int = DEFAULT_DOCUMENT_TOKENS,
        *,
        index_id: str = "",
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> DocumentText:
        """Returns up to ``max_tokens`` tokens of a document from ``start`` on.

        ``id`` may be written ``"corpus:shard:number"``. It names a document of one index only: ``index_id``, as the
        coverage of a trace tells it, makes sure that this is the one meant.

        Raises:
            GenerationGoneError: the index is another than ``index_id``.
            DocumentNotFoundError: there is no such document, or ``start`` is past its end.
        """
        document = parse_document_id(id) if isinstance(id, str) else id
        return self._run(self._pipeline.get_document(document, start, max_tokens, timeout_s, index_id))

    def describe(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Description:
        """Returns what the index holds, and the limits on a request."""
        return self._run(self._pipeline.describe(timeout_s))

    def close(self) -> None:
        """Stops the threads and event loops. The index cannot be used afterwards; closing again does nothing."""
        if self._closed:
            return
        self._closed = True
        with suppress(IndexError):
            while True:
                self._idle_loops.pop().close()
        self._executor.shutdown(wait=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        if self._closed:
            coroutine.close()
            raise ValueError("the index is closed")
        return _away_from_event_loops(partial(self._run_here, coroutine))

    def _run_here(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        # Not asyncio.Runner: in a main thread it sets a signal handler, and doing so prints the whole result.
        try:
            loop = self._idle_loops.pop()
        except IndexError:
            loop = asyncio.new_event_loop()
        task = loop.create_task(coroutine)
        try:
            return loop.run_until_complete(task)
        except RuntimeError as error:
            if self._closed:
                raise ValueError("the index was closed during the call") from error
            raise
        finally:
            if not task.done():  # interrupted from the keyboard, which the task's parts are told once more
                task.cancel()
                with suppress(asyncio.CancelledError, KeyboardInterrupt):
                    loop.run_until_complete(task)
                loop.close()
            elif self._closed:
                loop.close()
            else:
                self._idle_loops.append(loop)


def _away_from_event_loops(call: Callable[[], _T]) -> _T:
    """Makes a call that runs an event loop: in this thread, or in another if one runs here, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return call()
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="headwater-pipeline")
    try:
        return thread.submit(call).result()
    finally:
        thread.shutdown(wait=False)


def _open_shards(
    corpora: Sequence[Corpus],
    paths: Sequence[Path],
    takedowns: Sequence[list[Takedown]],
    tokenizer: Tokenizer,
    executor: ThreadPoolExecutor | None,
) -> list[EmbeddedShard]:
    pieces = tokenizer.vocabulary
    vocabulary = suffix_engine.Vocabulary(
        pieces.pieces,
        fallback_ids=pieces.fallback_ids,
        byte_level=pieces.byte_level,
        strip_leading_space=pieces.strip_leading_space,
    )
    pool = suffix_engine.ThreadPool()
    shards = []
    for corpus, directory, obeyed in zip(corpora, paths, takedowns, strict=True):
        manifests = corpus.index.load_shards(directory)
        for shard, documents in zip(manifests, left_out(directory, corpus.index, manifests, obeyed), strict=True):
            folder = directory / shard_folder(shard.shard)
            engine = suffix_engine.ShardIndex.open(
                folder, token_width=shard.token_width, pool=pool, vocabulary=vocabulary
            )
            found = (engine.num_tokens, engine.num_documents)
            if found != (shard.num_tokens, shard.num_documents):
                raise ManifestError(
                    f"{folder}: files hold {found[0]} tokens in {found[1]} documents, "
                    f"the manifest says {shard.num_tokens} in {shard.num_documents}"
                )
            view, view_id = without(engine, documents)
            shards.append(EmbeddedShard(corpus, shard.shard, view, executor, view_id))
    return shards
