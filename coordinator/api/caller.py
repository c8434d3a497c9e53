"""Who asks: the id of the request and the client it is counted for, as its metadata or headers say."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from coordinator.access.keyring import KeyHolder, Refusal
from runtime import request_id

# The name of the header, and of the gRPC metadata.
CLIENT_ID_KEY = "x-client-id"

_ACCEPTED_CLIENT = re.compile(r"[A-Za-z0-9._:@/=-]{1,128}")


@dataclass(frozen=True, slots=True)
class Caller:
    """One request's caller.

    Attributes:
        request_id: Names the request in logs, errors and answers.
        client_id: Names the client whose rate the request counts for. Where keys are needed, the id of the key's
            holder; else what it calls itself, empty if it gave no name, or none that can be used (1 to 128 letters,
            digits and ``._:@/=-``): all such clients are one.
        holder: Whose key the request came with; None without a good one.
        refusal: Why its key is not good, where keys are needed.
    """

    request_id: str
    client_id: str = ""
    holder: KeyHolder | None = None
    refusal: Refusal | None = None


_NOBODY = Caller("")
_current: ContextVar[Caller] = ContextVar("headwater_caller", default=_NOBODY)


def caller_of(metadata: Iterable[tuple[str, Any]]) -> Caller:
    """Returns the caller as it names itself in metadata or headers; without a usable id, a request gets a new one."""
    found = {key.lower(): value for key, value in metadata if isinstance(value, str)}
    client_id = found.get(CLIENT_ID_KEY, "")
    return Caller(
        request_id.accepted_or_new(found.get(request_id.METADATA_KEY)),
        client_id if _ACCEPTED_CLIENT.fullmatch(client_id) else "",
    )


def current() -> Caller:
    """Returns the caller of the request that this task works on; one without names outside of any."""
    return _current.get()


@contextlib.contextmanager
def serving(caller: Caller) -> Iterator[None]:
    """Makes ``caller`` the current one, and its request id that of log lines, while the block runs."""
    token = _current.set(caller)
    try:
        with request_id.serving_request(caller.request_id):
            yield
    finally:
        _current.reset(token)
