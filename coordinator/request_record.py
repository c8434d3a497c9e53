"""What is kept of a request when it is over: a row in the metrics, a line in the log. Never what it asked."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
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
    """

    method: str
    deadline: float
    num_tokens: int | None = None
    share_searched: float | None = None
    cached: bool | None = None
    had_turn: bool = False

    @property
    def left_s(self) -> float:
        """Time that is left to answer, in seconds."""
        return max(self.deadline - monotonic(), 0.0)

    def found(self, num_tokens: int, coverage: Coverage) -> None:
        """Notes what an answer says."""
        self.num_tokens, self.share_searched = num_tokens, coverage.share_searched


@contextmanager
def recorded(method: str, timeout_s: float, metrics: CoordinatorMetrics) -> Iterator[RequestRecord]:
    """Records a request that is answered while the block runs."""
    # Not the clock of the event loop: that of uvloop knows only whole milliseconds.
    began = monotonic()
    record = RequestRecord(method, began + timeout_s)
    code = "OK"
    metrics.request_began(method)
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
        seconds = monotonic() - began
        metrics.request_ended(method, code, seconds)
        if _log.isEnabledFor(logging.INFO):
            _log.info("request", extra=_fields(record, code, seconds))


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
