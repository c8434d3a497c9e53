import json
import logging
import socket
from pathlib import Path

import pytest

from coordinator.local.log_socket import LogSocketHandler, lines_to_stderr


@pytest.fixture
def logger() -> logging.Logger:
    made = logging.Logger("of a replica")
    made.setLevel(logging.INFO)
    return made


def test_lines_of_several_senders_arrive_whole_and_in_order(
    tmp_path: Path, logger: logging.Logger, capfd: pytest.CaptureFixture[str], leaves_nothing_behind: None
) -> None:
    path = tmp_path / "log.sock"
    with lines_to_stderr(path):
        for sender in range(2):
            handler = LogSocketHandler(path)
            logger.addHandler(handler)
            logger.info("request", extra={"sender": sender, "text": "x" * 2000})
            logger.removeHandler(handler)
            handler.close()
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [(line["event"], line["sender"], len(line["text"])) for line in lines] == [
        ("request", 0, 2000),
        ("request", 1, 2000),
    ]
    assert not path.exists()


def test_a_sender_whose_receiver_is_gone_or_slow_goes_on(tmp_path: Path, logger: logging.Logger) -> None:
    path = tmp_path / "log.sock"
    handler = LogSocketHandler(path)
    logger.addHandler(handler)
    logger.info("before")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as nobody_reads:
        nobody_reads.bind(str(path))
        for _ in range(2000):
            logger.info("x" * 1000)
        assert json.loads(nobody_reads.recv(100_000))["event"] == "x" * 1000
    logger.info("after")
    handler.close()


def test_an_empty_event_does_not_end_the_copying(
    tmp_path: Path, logger: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.sock"
    with lines_to_stderr(path):
        handler = LogSocketHandler(path)
        logger.addHandler(handler)
        logger.info("")
        logger.info("second")
        handler.close()
    assert [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()] == ["", "second"]
