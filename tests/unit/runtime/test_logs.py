"""A log line is one line of JSON with its fields and the id of its request."""

import json
import logging
import sys

from runtime import request_id
from runtime.logs import JsonFormatter


def record(message: str = "call failed", **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("shard", logging.WARNING, "f.py", 1, message, None, None)
    made.created, made.msecs = 0.25, 250.0
    vars(made).update(extra)
    return made


def test_what_a_library_hides_in_a_record_is_left_out() -> None:
    record = logging.makeLogRecord({"msg": "event", "_ray_timestamp_ns": 1, "shard": "0"})
    line = json.loads(JsonFormatter().format(record))
    assert "shard" in line and not any(name.startswith("_") for name in line)


def test_a_line_holds_event_fields_and_time() -> None:
    assert json.loads(JsonFormatter().format(record(rpc="Describe", shard=3))) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "shard",
        "event": "call failed",
        "rpc": "Describe",
        "shard": 3,
    }


def test_a_line_written_during_a_request_holds_its_id() -> None:
    with request_id.serving_request("r-1"):
        line = JsonFormatter().format(record())
    assert json.loads(line)["request_id"] == "r-1"
    assert "request_id" not in json.loads(JsonFormatter().format(record()))


def test_an_exception_stays_on_the_line() -> None:
    made = record()
    try:
        raise FileNotFoundError(2, "two\nlines")
    except FileNotFoundError:
        made.exc_info = sys.exc_info()
    line = JsonFormatter().format(made)
    assert "\n" not in line
    assert "FileNotFoundError: [Errno 2] two\nlines" in json.loads(line)["exception"]
