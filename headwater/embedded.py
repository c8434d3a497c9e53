"""An index searched in this process: the coordinator's pipeline over shards that are opened here, no server."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import suffix_engine
from coordinator.api.json_codec import parse_document_id
from coordinator.options import RequestLimits
from coordinator.pipeline import Pipeline
from coordinator.values import (
    Count,
    DocumentId,
    DocumentText,
    IndexDescription,
    ShardId,
    Trace,
    TraceOptions,
    TraceRequest,
)
from headwater.embedded_shard import EmbeddedShard
from index_format.errors import ManifestError
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest
from index_format.tokenizer import Tokenizer, open_tokenizer

_T = TypeVar("_T")

# Local disks answer in milliseconds; only a disk that has failed comes near this.
DEFAULT_TIMEOUT_S = 60.0
DEFAULT_DOCUMENT_TOKENS = 2_000


class EmbeddedIndex:
    """An open index. Safe to call from several threads, and from a notebook whose event loop is running.

    A call runs the pipeline in the caller's thread, on an event loop that no other call uses meanwhile.
    """

    def __init__(self, directory: str | PathLike[str]):
        """Opens every shard of the index in ``directory`` (see `headwater.open`).

        Raises:
            IndexFormatError: there is no finished index, or a file, size or the tokenizer is not as
                published.
            EngineError: the files of a shard contradict one another.
        Cost: O(documents) a shard; no text is read.
        """
        path = Path(directory)
        manifest = IndexManifest.load(path)
        tokenizer = open_tokenizer(path, manifest)
        self._executor = ThreadPoolExecutor(
            max_workers=min(32, max(4, manifest.num_shards)), thread_name_prefix="headwater-shard"
        )
        executor = self._executor if manifest.num_shards > 1 else None
        shards = _open_shards(path, manifest, tokenizer, executor)
        self._pipeline = Pipeline(tokenizer, shards, manifest, RequestLimits(), owns_loop=True)
        self._idle_loops: deque[asyncio.AbstractEventLoop] = deque()
        self._closed = False

    def trace(
        self,
        answer: str,
        prompt: str = "",
        options: TraceOptions | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> Trace:
        """Traces an answer to the documents that hold its passages.

        Args:
            answer: What the model wrote.
            prompt: What it was asked; weighs in the ranking of documents, is not traced itself.
            options: How to trace; by default as OLMoTrace does.
            timeout_s: Seconds after which shards that have not answered are reported as failed. A single shard is
                searched in this thread, and not cut short.

        Raises:
            InvalidRequestError: the answer is empty or too long, or an option is out of range.
            NoShardAnsweredError: no shard answered.
        """
        request = TraceRequest(answer, prompt, options or TraceOptions())
        return self._run(self._pipeline.trace(request, timeout_s))

    def count(self, text: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Count:
        """Counts how often a text occurs in the index, token for token.

        Raises:
            InvalidRequestError: the text is empty or too long.
        """
        return self._run(self._pipeline.count(text, timeout_s))

    def document(
        self,
        id: DocumentId | str,
        start: int = 0,
        max_tokens: int = DEFAULT_DOCUMENT_TOKENS,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> DocumentText:
        """Returns up to ``max_tokens`` tokens of a document from ``start`` on.

        ``id`` may be written ``"shard:number"``.

        Raises:
            DocumentNotFoundError: there is no such document, or ``start`` is past its end.
        """
        document = parse_document_id(id) if isinstance(id, str) else id
        return self._run(self._pipeline.get_document(document, start, max_tokens, timeout_s))

    def describe(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> IndexDescription:
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
    directory: Path, manifest: IndexManifest, tokenizer: Tokenizer, executor: ThreadPoolExecutor | None
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
    for shard in manifest.load_shards(directory):
        folder = directory / shard_folder(shard.shard)
        engine = suffix_engine.ShardIndex.open(folder, token_width=shard.token_width, pool=pool, vocabulary=vocabulary)
        found = (engine.num_tokens, engine.num_documents)
        if found != (shard.num_tokens, shard.num_documents):
            raise ManifestError(
                f"{folder}: files hold {found[0]} tokens in {found[1]} documents, "
                f"the manifest says {shard.num_tokens} in {shard.num_documents}"
            )
        shards.append(EmbeddedShard(ShardId(shard.shard), engine, manifest, executor))
    return shards
