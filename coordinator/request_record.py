"""What is kept of a request when it is over: a row in the metrics, a line in the log. Never what it asked."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from time import monotonic

from coordinator.api import caller
from coordinator.api.status import INTERNAL, fault_of
from coordinator.errors import CoordinatorError
from coordinator.metrics import CoordinatorMetrics
from coordinator.results import Coverage

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class RequestRecord:
    """One request, while it is answered.

    Attributes:
        method: What is asked, as the gRPC service calls it.
        deadline: When the answer must be there, on the monotonic clock.
        num_tokens: Tokens of the text that is asked about, once they are known.
        share_searched: Share of the tokens that were searched, once it is known.
        cached: Whether the answer was there already.
        had_turn: Whether it was worked on, or only looked at.
        end: Writes row and line, with a status; none once it has.
    """

    method: str
    deadline: float
    num_tokens: int | None = None
    share_searched: float | None = None
    cached: bool | None = None
    had_turn: bool = False
    end: Callable[[str], None] | None = None

    @property
    def left_s(self) -> float:
        """Time that is left to answer, in seconds."""
        return max(self.deadline - monotonic(), 0.0)

    def found(self, num_tokens: int, coverage: Coverage) -> None:
        """Notes what an answer says."""
        self.num_tokens, self.share_searched = num_tokens, coverage.share_searched


# The record of the face that this task works for.
_current: ContextVar[RequestRecord | None] = ContextVar("headwater_request_record", default=None)


@contextmanager
def recorded(method: str, timeout_s: float, metrics: CoordinatorMetrics) -> Iterator[RequestRecord]:
    """Records a request that is answered while the block runs, unless its face records it already.

    ``timeout_s`` counts from here: the time to send a request is not that to answer it.
    """
    # Not the clock of the event loop: that of uvloop knows only whole milliseconds.
    deadline = monotonic() + timeout_s
    record = _current.get()
    if record is not None:
        record.deadline = deadline
        yield record
        return
    with _recording(RequestRecord(method, deadline), metrics) as record:
        yield record


@contextmanager
def recorded_by_face(method: str, metrics: CoordinatorMetrics) -> Iterator[None]:
    """Records a request with what its face does before and after it is answered: what is refused there counts, too."""
    with _recording(RequestRecord(method, math.inf), metrics) as record:
        token = _current.set(record)
        try:
            yield
        finally:
            _current.reset(token)


def end_record(code: str) -> None:
    """Ends the record of a face before its block does: with a gRPC status, by name. Only the first end counts."""
    record = _current.get()
    if record is not None and record.end is not None:
        record.end(code)


@contextmanager
def _recording(record: RequestRecord, metrics: CoordinatorMetrics) -> Iterator[RequestRecord]:
    began = monotonic()

    def end(code: str) -> None:
        record.end = None
        seconds = monotonic() - began
        metrics.request_ended(record.method, code, seconds)
        if _log.isEnabledFor(logging.INFO):
            _log.info("request", extra=_fields(record, code, seconds))

    record.end = end
    code = "OK"
    metrics.request_began(record.method)
    try:
        yield record
    except CoordinatorError as error:
        code = fault_of(error).grpc_status.name
        raise
    except (asyncio.CancelledError, GeneratorExit):
        code = "CANCELLED"
        raise
    except BaseException:
        code = INTERNAL.grpc_status.name
        raise
    finally:
        if record.end is not None:
            record.end(code)


def _fields(record: RequestRecord, code: str, seconds: float) -> dict[str, object]:
    known = {
        "method": record.method,
        "code": code,
        "ms": round(seconds * 1000, 2),
        "client": caller.current().client_id or None,
        "num_tokens": record.num_tokens,
        "share_searched": record.share_searched,
        "cached": record.cached,
    }
    return {name: value for name, value in known.items() if value is not None}
