"""Why no connection came about, out of the chain of errors that gRPC makes a status message of."""

import re

_LAST_ERROR = re.compile(r"failed to connect to all addresses.*last error: ", re.DOTALL)
_RESOLVING = re.compile(r"errors resolving .*: ", re.DOTALL)
# The caller names the address and the status; gRPC repeats both, the address once for each layer it went through.
_STATUS = re.compile(r"\b(?:UNKNOWN|UNAVAILABLE|INTERNAL): ")
_ADDRESS = re.compile(r"\(?\bipv[46]:[^\s;,)]+\)?")
_REMOTE_HOST = re.compile(r"failed to connect to remote host:?", re.IGNORECASE)


def connection_fault(details: str) -> str | None:
    """Returns why there is no connection, such as "connection refused"; None if the message is of another error."""
    if _LAST_ERROR.match(details):
        reason = _LAST_ERROR.sub("", details)
    elif _RESOLVING.match(details):
        reason = "host name cannot be resolved: " + _RESOLVING.sub("", details).rstrip("]")
    else:
        return None
    for repeated in (_STATUS, _ADDRESS, _REMOTE_HOST):
        reason = repeated.sub("", reason)
    reason = " ".join(reason.split()).strip(" :;")
    return reason[:1].lower() + reason[1:] or "no connection"
