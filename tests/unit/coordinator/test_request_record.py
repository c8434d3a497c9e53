import asyncio
import json
import logging
from collections.abc import Callable

import pytest

from coordinator import request_record
from coordinator.api.caller import Caller, serving
from coordinator.errors import DocumentNotFoundError, NoShardAnsweredError, OverloadedError
from coordinator.metrics import CoordinatorMetrics
from coordinator.request_record import RequestRecord, recorded
from runtime.logs import JsonFormatter


def record_of(work: Callable[[RequestRecord], None], metrics: CoordinatorMetrics) -> None:
    async def scenario() -> None:
        with recorded("Trace", 5.0, metrics) as record:
            work(record)

    asyncio.run(scenario())


def count(metrics: CoordinatorMetrics, code: str) -> float | None:
    labels = {"method": "Trace", "code": code}
    return metrics.registry.get_sample_value("headwater_coordinator_request_seconds_count", labels)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OverloadedError("full", 1.0), "RESOURCE_EXHAUSTED"),
        (DocumentNotFoundError("no"), "NOT_FOUND"),
        (NoShardAnsweredError("no"), "UNAVAILABLE"),
        (asyncio.CancelledError(), "CANCELLED"),
        (GeneratorExit(), "CANCELLED"),
        (KeyError("a bug"), "INTERNAL"),
    ],
)
def test_a_request_that_fails_is_counted_by_its_status(error: BaseException, code: str) -> None:
    def fail(record: RequestRecord) -> None:
        raise error

    metrics = CoordinatorMetrics()
    with pytest.raises(type(error)):
        record_of(fail, metrics)
    assert count(metrics, code) == 1
    assert metrics.registry.get_sample_value("headwater_coordinator_requests_in_flight", {"method": "Trace"}) == 0


class Lines(logging.Handler):
    """Keeps what a log file would hold."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def test_the_log_has_a_line_with_what_is_known_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    log, kept = logging.Logger("of this test", logging.INFO), Lines()
    log.addHandler(kept)
    monkeypatch.setattr(request_record, "_log", log)

    def work(record: RequestRecord) -> None:
        record.num_tokens, record.cached = 7, False

    with serving(Caller("request-1", "lab-a")):
        record_of(work, CoordinatorMetrics())
    [line] = map(json.loads, kept.lines)
    known = {"method", "code", "ms", "client", "num_tokens", "cached"}
    assert set(line) == {"time", "level", "logger", "event", "request_id"} | known
    assert (line["event"], line["code"], line["client"], line["num_tokens"]) == ("request", "OK", "lab-a", 7)
    assert line["request_id"] == "request-1"


def test_no_line_is_made_when_the_level_is_higher(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "coordinator.request_record")
    record_of(lambda record: None, CoordinatorMetrics())
    assert not caplog.records


def test_the_time_left_is_never_below_zero() -> None:
    assert RequestRecord("Trace", deadline=0.0).left_s == 0.0


def test_a_request_that_a_face_records_is_counted_once_with_how_the_face_ends_it() -> None:
    metrics = CoordinatorMetrics()

    async def scenario() -> None:
        with request_record.recorded_by_face("Trace", metrics):
            with recorded("Trace", 5.0, metrics) as record:
                assert 4.0 < record.left_s <= 5.0
            assert count(metrics, "OK") is None
            raise OverloadedError("the answer cannot be sent", 1.0)

    with pytest.raises(OverloadedError):
        asyncio.run(scenario())
    assert (count(metrics, "RESOURCE_EXHAUSTED"), count(metrics, "OK")) == (1, None)


def test_only_the_first_end_of_a_record_counts() -> None:
    metrics = CoordinatorMetrics()
    with request_record.recorded_by_face("Trace", metrics):
        request_record.end_record("UNAVAILABLE")
        request_record.end_record("OK")
    assert (count(metrics, "UNAVAILABLE"), count(metrics, "OK")) == (1, None)
