"""The reason that no connection came about is told once, without the addresses that gRPC repeats."""

import pytest

from coordinator.cluster.connection_fault import connection_fault


@pytest.mark.parametrize(
    ("details", "reason"),
    [
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:37223: "
            "Failed to connect to remote host: Connection refused",
            "connection refused",
        ),
        (
            "failed to connect to all addresses; last error: UNAVAILABLE: ipv6:%5B::1%5D:37223: "
            "Failed to connect to remote host: ipv6:%5B::1%5D:37223: No route to host",
            "no route to host",
        ),
        (
            "failed to connect to all addresses; last error: INTERNAL: connect failed (ipv4:10.0.0.1:9): timed\nout",
            "connect failed : timed out",
        ),
        ("failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.1:9", "no connection"),
        (
            "errors resolving h.invalid:9: [field:hostname lookup error:address lookup failed for h.invalid:9: "
            "Domain name not found]",
            "host name cannot be resolved: Domain name not found",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:45137: Tls handshake failed "
            "(TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL routines:OPENSSL_internal:"
            "CERTIFICATE_VERIFY_FAILED: unable to get local issuer certificate: OK",
            "TLS: no CA that is trusted here vouches for the server's certificate",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:45345: Tls handshake failed "
            "(TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER: "
            "Invalid certificate verification context: OK",
            "TLS: the server speaks no TLS",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:1.2.3.4:5: Tls handshake failed: else",
            "TLS: the handshake failed; do both sides speak it, and of one version?",
        ),
        (
            "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:127.0.0.1:45137: Socket closed",
            "the server closed the connection at once; does it want TLS, or a client certificate over TLS?",
        ),
        (
            "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:2: unwrap failed "
            "(TSI_DATA_CORRUPTED)",
            "TLS: the server turned us away after the handshake; it wants a client certificate of a CA that it trusts",
        ),
        ("shard 7 is not served here: UNKNOWN: ipv4:1.2.3.4:5", None),
        ("", None),
    ],
)
def test_the_reason_is_told_once(details: str, reason: str | None) -> None:
    assert connection_fault(details) == reason
