"""Why no connection came about, out of the chain of errors that gRPC makes a status message of."""

import re

_LAST_ERROR = re.compile(r"failed to connect to all addresses.*last error: ", re.DOTALL)
_RESOLVING = re.compile(r"errors resolving .*: ", re.DOTALL)
# The caller names the address and the status; gRPC repeats both, the address once for each layer it went through.
_STATUS = re.compile(r"\b(?:UNKNOWN|UNAVAILABLE|INTERNAL): ")
_ADDRESS = re.compile(r"\(?\bipv[46]:[^\s;,)]+\)?")
_REMOTE_HOST = re.compile(r"failed to connect to remote host:?", re.IGNORECASE)
# The reason of a failed handshake, out of the names that BoringSSL gives to errors, and what it means.
_HANDSHAKES = (
    ("CERTIFICATE_VERIFY_FAILED: certificate has expired", "the server's certificate has expired"),
    ("CERTIFICATE_VERIFY_FAILED: certificate is not yet valid", "the server's certificate is not valid yet"),
    ("CERTIFICATE_VERIFY_FAILED", "no CA that is trusted here vouches for the server's certificate"),
    ("is not in peer certificate", "the server's certificate is not for this address"),
    ("Hostname Verification Check failed", "the server's certificate is not for this address"),
    ("WRONG_VERSION_NUMBER", "the server speaks no TLS"),
)
_HANDSHAKE_FAILED = re.compile(r"tls handshake failed", re.IGNORECASE)
# An alert that comes after the handshake: of TLS 1.3, that the client's certificate is missing or not believed.
_REFUSED = re.compile(r"unwrap failed|decryption error", re.IGNORECASE)
# What is left of a handshake that the server breaks off. It does not say why: not to a caller without TLS, nor to one
# without a certificate.
_BROKEN_OFF = re.compile(r"socket closed|connection reset by peer|end of tcp stream|broken pipe", re.IGNORECASE)


def connection_fault(details: str) -> str | None:
    """Returns why there is no connection, such as "connection refused"; None if the message is of another error."""
    if _LAST_ERROR.match(details):
        reason = _LAST_ERROR.sub("", details)
    elif _RESOLVING.match(details):
        reason = "host name cannot be resolved: " + _RESOLVING.sub("", details).rstrip("]")
    else:
        return None
    if (told := _handshake_fault(reason)) is not None:
        return told
    for repeated in (_STATUS, _ADDRESS, _REMOTE_HOST):
        reason = repeated.sub("", reason)
    reason = " ".join(reason.split()).strip(" :;")
    return reason[:1].lower() + reason[1:] or "no connection"


def _handshake_fault(reason: str) -> str | None:
    """Returns what went wrong with TLS, or may have; None if the server could not be reached at all."""
    for sign, meaning in _HANDSHAKES:
        if sign in reason:
            return f"TLS: {meaning}"
    if _REFUSED.search(reason):
        return (
            "TLS: the server turned us away after the handshake; it wants a client certificate of a CA that it trusts"
        )
    if _HANDSHAKE_FAILED.search(reason):
        return "TLS: the handshake failed; do both sides speak it, and of one version?"
    if _BROKEN_OFF.search(reason):
        return "the server closed the connection at once; does it want TLS, or a client certificate over TLS?"
    return None
