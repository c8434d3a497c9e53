"""What the suite harms with: a flipped byte that is put back, slow callers, a corpus that is the same each time."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from bench.faults.corruption import flipped
from bench.faults.raw_call import call_raw
from bench.faults.slow_loris import SlowLoris
from bench.faults.texts import Corpus

pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")


def test_a_flipped_byte_is_put_back(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abcd")
    with flipped(path, 2):
        assert path.read_bytes() == b"abbd"
    assert path.read_bytes() == b"abcd"


def test_slow_callers_connect_all_and_say_a_byte_at_a_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        with SlowLoris([one.getsockname(), other.getsockname()], 5, http2=True):
            connections = [listener.accept()[0] for listener in (one, other, one, other, one)]
            said = [connection.recv(100) for connection in connections]
        for connection in connections:
            connection.close()
    assert said == [b"P"] * 5


def test_the_corpus_is_the_same_each_time_and_answers_quote_both_generations() -> None:
    first, second = list(Corpus().documents(1, 300)), list(Corpus().documents(2, 300))
    assert first == list(Corpus().documents(1, 300))
    assert first != second
    answers = Corpus().answers(20)
    assert len(set(answers)) == 20
    quoted = [passage for passage in Corpus().passages if passage in answers[0]]
    assert len(quoted) == 4
    for documents in (first, second):
        assert any(passage in document for passage in quoted for document in documents)


def test_a_call_by_hand_reaches_its_method() -> None:
    asked: list[str] = []

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> None:
            asked.append(handler_call_details.method)

    with ThreadPoolExecutor(1) as threads:
        server = grpc.server(threads, handlers=[Handler()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        call_raw(("127.0.0.1", port), b"/any/method")
        server.stop(0).wait()
    assert asked == ["/any/method"]
