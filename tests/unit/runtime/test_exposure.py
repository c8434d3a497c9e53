"""What may be listened at: loopback always, anything else only with TLS and callers that are known."""

import logging

import pytest

from runtime.errors import PublicListenError
from runtime.exposure import check_listening, check_metrics_listening, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.9.10", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("169.254.169.254", False),
        ("::ffff:10.0.0.1", False),
        ("host.invalid", False),
        ("", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


@pytest.mark.parametrize(("is_encrypted", "knows_callers"), [(False, False), (True, False), (False, True)])
def test_a_public_address_is_refused_unless_both_protect_it(is_encrypted: bool, knows_callers: bool) -> None:
    with pytest.raises(PublicListenError, match=r"0\.0\.0\.0:7001: this is not a loopback .* give tls_cert"):
        check("0.0.0.0:7001", is_encrypted, knows_callers)
    check("0.0.0.0:7001", True, True)
    check("127.0.0.1:7001", is_encrypted, knows_callers)


def test_the_way_out_is_logged_loudly(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check("[::]:7001", False, False, is_allowed=True)
        check("127.0.0.1:7001", False, False, is_allowed=True)
    [record] = caplog.records
    assert record.message == "listening in public without protection"
    assert vars(record)["address"] == "[::]:7001"


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "[::]:9464", "192.0.2.1:9464", "host.invalid:9464"])
def test_metrics_are_for_this_machine_unless_somebody_says_so(address: str) -> None:
    with pytest.raises(PublicListenError, match=r"metrics_listen .* or set insecure_public_metrics"):
        check_metrics_listening(address, is_allowed=False)
    check_metrics_listening(address, is_allowed=True)
    check_metrics_listening("127.0.0.1:9464", is_allowed=False)
    check_metrics_listening("[::1]:9464", is_allowed=False)


def check(address: str, is_encrypted: bool, knows_callers: bool, is_allowed: bool = False) -> None:
    check_listening(
        address, is_encrypted=is_encrypted, knows_callers=knows_callers, advice="tls_cert", is_allowed=is_allowed
    )
