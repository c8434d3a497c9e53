"""`headwater.connect` against a coordinator in a plain gRPC server: the same values and errors as an embedded index."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import headwater
from coordinator.errors import (
    ConfigurationError,
    CoordinatorError,
    DocumentNotFoundError,
    GenerationGoneError,
    IncompleteAnswerError,
    InvalidRequestError,
    NoShardAnsweredError,
    ShardUnavailableError,
)
from coordinator.requests import TraceOptions
from coordinator.results import Trace
from headwater.remote import RemoteIndex
from tests.running_servers import NO_LONGER_MS, shard_server, unused_address
from tests.served_coordinator import served, serving
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = ("The quick brown fox jumps over the lazy dog.", "A slow green turtle walks under the bridge, naïvely.")
ANSWER = "They say the quick brown fox jumps over the lazy dog."
OPTIONS = TraceOptions(max_span_density=1.0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("remote") / "index", [TEXTS[:1], TEXTS[1:]], byte_level_tokenizer(TEXTS, 300)
    )


def ask(directory: Path, index: Path, question: Callable[[RemoteIndex], Any], lost: Sequence[int] = ()) -> Any:
    """Returns what a client gets, with the shards of ``lost`` out of reach."""

    async def run() -> Any:
        async with shard_server(index) as address:
            addresses = [unused_address() if shard in lost else address for shard in range(2)]
            async with served(directory, index, addresses, connect_timeout_ms=NO_LONGER_MS) as target:
                return await asyncio.to_thread(connected, target)

    def connected(target: str) -> Any:
        with headwater.connect(target) as remote:
            return question(remote)

    return asyncio.run(run())


def test_every_call_returns_what_the_embedded_index_returns(index: Path, tmp_path: Path) -> None:
    def questions(asked: Any) -> list[Any]:
        trace = replace(asked.trace(ANSWER, "Who?", OPTIONS), timings=None)
        return [trace, asked.count("lazy dog"), asked.document("default:0:0", 2, 3), asked.describe()]

    with headwater.open(index) as opened:
        assert ask(tmp_path, index, questions) == questions(opened)


@pytest.mark.parametrize(
    ("question", "error", "message"),
    [
        (lambda remote: remote.trace(""), InvalidRequestError, "answer is empty"),
        (lambda remote: remote.trace("a" * 50_001), InvalidRequestError, "answer has 50001 characters, the limit is"),
        (lambda remote: remote.trace("a \ud800 b"), InvalidRequestError, "lone surrogate at character 2"),
        (lambda remote: remote.trace("a", options=TraceOptions(seed=-1)), InvalidRequestError, "seed is -1"),
        (lambda remote: remote.trace("a", timeout_s=0), InvalidRequestError, "timeout is 0 s"),
        (lambda remote: remote.count(" "), InvalidRequestError, "text is empty"),
        (lambda remote: remote.count("\ud800"), InvalidRequestError, "lone surrogate"),
        (lambda remote: remote.document("default:0:9"), DocumentNotFoundError, "shard 0"),
        (lambda remote: remote.document("default:0:0", index_id="gone"), GenerationGoneError, "gone"),
        (lambda remote: remote.document("0"), InvalidRequestError, "expected 'corpus:shard:number'"),
        (lambda remote: remote.count("a", corpora=["none"]), InvalidRequestError, "there is no corpus 'none'"),
        (lambda remote: remote.document("default:0:0", -1), InvalidRequestError, "start -1"),
        (lambda remote: remote.document("default:0:0", 0, 10**6), InvalidRequestError, "max_tokens is 1000000"),
    ],
)
def test_an_error_arrives_as_the_error_it_was(
    index: Path, tmp_path: Path, question: Callable[[RemoteIndex], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ask(tmp_path, index, question)


def test_errors_that_share_a_status_are_told_apart(index: Path, tmp_path: Path) -> None:
    with pytest.raises(NoShardAnsweredError, match="no shard answered"):
        ask(tmp_path, index, lambda remote: remote.trace(ANSWER), lost=[0, 1])
    with pytest.raises(IncompleteAnswerError, match="shard default:1"):
        ask(tmp_path, index, lambda remote: remote.trace(ANSWER, require_complete=True), lost=[1])
    with pytest.raises(ShardUnavailableError, match="default:1") as raised:
        ask(tmp_path, index, lambda remote: remote.document("default:1:0"), lost=[1])
    assert type(raised.value) is ShardUnavailableError


def test_an_error_carries_what_the_coordinator_told(index: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        ask(tmp_path, index, lambda remote: remote.trace("a", options=TraceOptions(max_count=0)))
    assert raised.value.field == "options.max_count"
    assert len(raised.value.request_id) == 32


def test_a_lost_shard_is_named_in_counts_and_descriptions(index: Path, tmp_path: Path) -> None:
    count, description = ask(tmp_path, index, lambda remote: (remote.count("the"), remote.describe()), lost=[0])
    (corpus,) = description.corpora
    assert [failed.shard for failed in count.coverage.failed_shards] == [("default", 0)]
    assert [shard.shard for shard in corpus.shards] == [("default", 1)]
    assert [failed.shard for failed in corpus.failed_shards] == [("default", 0)]


def test_a_place_where_nothing_listens_is_named() -> None:
    target = unused_address()
    with headwater.connect(target) as remote, pytest.raises(ShardUnavailableError) as raised:
        remote.describe()
    assert str(raised.value) == f"{target}: no coordinator answers there (connection refused)"


def test_a_host_that_does_not_exist_is_named() -> None:
    target = "host.invalid:9000"
    with headwater.connect(target) as remote, pytest.raises(ShardUnavailableError) as raised:
        remote.describe()
    assert str(raised.value).startswith(f"{target}: no coordinator answers there (host name cannot be resolved: ")


def test_a_bug_is_told_without_its_text(index: Path, tmp_path: Path) -> None:
    class Broken:
        async def describe(self, _timeout_ms: int) -> None:
            raise RuntimeError("secret text")

    async def run() -> None:
        async with serving(Broken()) as target:
            with headwater.connect(target) as remote:
                await asyncio.to_thread(remote.describe)

    with pytest.raises(CoordinatorError, match="The coordinator failed") as raised:
        asyncio.run(run())
    assert type(raised.value) is CoordinatorError
    assert "secret" not in str(raised.value)


@pytest.fixture
def server_process(index: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of shard 1 as a process of its own, and its address."""
    command = [sys.executable, "-m", "shard_server", "--index", str(index), "--shard", "1", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().removeprefix("listening on ").strip()
        process.kill()


def trace_with_a_frozen_shard(
    index: Path, directory: Path, server: tuple[subprocess.Popen[str], str]
) -> tuple[Trace, float]:
    """Returns a trace that is given 3 s while shard 1 answers nothing, and the seconds it took."""
    process, address = server

    def frozen_trace(remote: RemoteIndex) -> tuple[Trace, float]:
        assert remote.trace(ANSWER, "", OPTIONS).coverage.complete
        process.send_signal(signal.SIGSTOP)  # its port accepts, and nothing is answered any more
        began = time.monotonic()
        trace = remote.trace(ANSWER, "", OPTIONS, timeout_s=3)
        return trace, time.monotonic() - began

    async def run() -> tuple[Trace, float]:
        # Pings, and those that gRPC sends to measure a connection, would tell sooner.
        no_pings = {"keepalive_interval_ms": 3_600_000, "keepalive_timeout_ms": 60_000}
        async with (
            shard_server(index, [0]) as first,
            served(directory, index, [first, address], **no_pings) as target,
        ):
            with headwater.connect(target) as remote:
                return await asyncio.to_thread(frozen_trace, remote)

    return asyncio.run(run())


def test_a_frozen_shard_costs_the_time_given_at_most_and_what_the_others_hold_is_shown(
    index: Path, tmp_path: Path, server_process: tuple[subprocess.Popen[str], str]
) -> None:
    trace, seconds = trace_with_a_frozen_shard(index, tmp_path, server_process)
    reasons = {failed.shard: failed.reason for failed in trace.coverage.failed_shards}
    assert "no answer within" in reasons["default", 1]
    assert seconds < 20  # of the 30 s that a call has by itself
    assert trace.coverage.shards_answered == 1
    assert "quick brown fox jumps over the lazy dog." in {span.text.strip() for span in trace.spans}
    assert trace.documents


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "corpora: [{{name: a, index: {index}, shards: [{{shard: 0, replicas: ['h:1']}}]}}]\n",
            "corpus a has shards [0], expected each of",
        ),
        (
            "corpora: [{{name: a, index: {index}/none, shards: [{{shard: 0, replicas: ['h:1']}}]}}]\n",
            "a finished index has this file",
        ),
        ("colour: blue\n", "corpora: Field required"),
    ],
)
def test_a_coordinator_that_cannot_start_says_why_before_ray_starts(
    index: Path, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "cluster.yaml").write_text(content.format(index=index))
    command = [sys.executable, "-m", "coordinator", "--cluster-file", str(tmp_path / "cluster.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("coordinator cannot start: ")
    assert message in done.stderr


def test_configuration_errors_arrive_too(index: Path, tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            shard_server(index, max_query_tokens=2) as address,
            served(tmp_path, index, [address] * 2) as target,
        ):
            with headwater.connect(target) as remote:
                await asyncio.to_thread(remote.trace, ANSWER)

    with pytest.raises(ConfigurationError, match="refused a request"):
        asyncio.run(run())
