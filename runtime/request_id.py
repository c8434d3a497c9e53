"""The id of the request that is worked on: the caller's if it can be used, else a fresh one.

It goes from process to process as metadata and stands in every log line of the request.
"""

import contextlib
import re
import uuid
from collections.abc import Iterator
from contextvars import ContextVar

# The name of the header, and of the gRPC metadata.
METADATA_KEY = "x-request-id"

# A regular expression: what log readers, headers and shells take as it is; long enough for the ids that proxies make.
ACCEPTED = "[A-Za-z0-9._:=-]{1,128}"

_current: ContextVar[str | None] = ContextVar("headwater_request_id", default=None)


def accepted_or_new(text: str | bytes | None) -> str:
    """Returns ``text`` if it can serve as an id (1 to 128 letters, digits and ``._:=-``), else a new one."""
    if isinstance(text, str) and re.fullmatch(ACCEPTED, text):
        return text
    return uuid.uuid4().hex


def current() -> str | None:
    """Returns the id of the request that this task or thread works on, if any."""
    return _current.get()


@contextlib.contextmanager
def serving_request(request_id: str) -> Iterator[None]:
    """Makes ``request_id`` the current one while the block runs."""
    token = _current.set(request_id)
    try:
        yield
    finally:
        _current.reset(token)
