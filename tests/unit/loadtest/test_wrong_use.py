"""What a load test is not run for: exit status 2, and a word on what to do."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from loadtest.access import Access
from loadtest.addresses import check_target
from loadtest.command import main
from loadtest.errors import LoadTestError
from loadtest.plan import Load, observer_of
from loadtest.results import read_run
from loadtest.workloads import Texts

TARGET = ("--target", "127.0.0.1:1", "--rate", "1")


@pytest.mark.parametrize("target", ["127.0.0.1:9000", "127.8.9.1:1", "[::1]:9000", "localhost:9000"])
def test_addresses_of_this_machine_are_taken(target: str) -> None:
    check_target(target, allow_remote=False)


@pytest.mark.parametrize("target", ["192.0.2.1:9000", "[2001:db8::1]:9000"])
def test_other_addresses_need_to_be_allowed(target: str) -> None:
    with pytest.raises(LoadTestError, match=r"is not an address of this machine.*--allow-remote"):
        check_target(target, allow_remote=False)
    check_target(target, allow_remote=True)


@pytest.mark.parametrize("target", ["127.0.0.1", "127.0.0.1:", ":9000", "127.0.0.1:99999", "127.0.0.1:x", ""])
def test_what_is_no_address_is_refused(target: str) -> None:
    with pytest.raises(LoadTestError, match="expected HOST:PORT"):
        check_target(target, allow_remote=True)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--target", "127.0.0.1:1"),
        ("--rate", "5"),
        (*TARGET, "--local"),
        (*TARGET, "--ramp", "1", "2"),
        (*TARGET, "--index", "somewhere"),
        ("--target", "127.0.0.1:1", "--rate", "0"),
        ("--target", "127.0.0.1:1", "--rate", "nan"),
        ("--target", "127.0.0.1:1", "--find-rate"),
        (*TARGET, "--fail-on-regression"),
        (*TARGET, "--seconds", "1e9"),
        (*TARGET, "--processes", "0"),
    ],
)
def test_options_that_do_not_go_together_are_refused(arguments: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "192.0.2.1:9000", "--rate", "1"), "--allow-remote"),
        ((*TARGET, "--targets", "no/such.yaml"), "cannot read the targets"),
        ((*TARGET, "--compare", "no/such.json"), "cannot read the results"),
        ((*TARGET, "--api-key-file", "no/such/key"), "cannot read the API key"),
        ((*TARGET, "--ca", "ca.pem"), "add --tls"),
        ((*TARGET, "--tls", "--cert", "cert.pem"), "without a key"),
        ((*TARGET, "--tls", "--ca", "no/such.pem"), "cannot be read"),
    ],
)
def test_what_cannot_be_run_ends_with_status_2(
    arguments: Sequence[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("targets", ["p99_ms: 500", "coverage: 1.0", "p95_ms: 100\ngood_within_ms: 1000"])
def test_a_highest_rate_at_which_requests_may_fail_is_not_looked_for(
    targets: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "targets.yaml"
    path.write_text(targets)
    assert main(("--target", "127.0.0.1:1", "--find-rate", "--targets", str(path))) == 2
    assert "expected error_rate or goodput" in " ".join(capsys.readouterr().out.split())


def test_a_key_does_not_go_over_the_network_in_clear() -> None:
    with pytest.raises(LoadTestError, match="in clear; add --tls"):
        Access("192.0.2.1:9000", api_key="secret").check()
    Access("127.0.0.1:9000", api_key="secret").check()
    Access("192.0.2.1:9000", api_key="secret", tls=True).check()
    assert "secret" not in repr(Access("127.0.0.1:9000", api_key="secret"))


@pytest.mark.parametrize("key", ["", "two\nlines", "ключ"])
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(LoadTestError, match="printable ASCII"):
        Access("127.0.0.1:9000", api_key=key).check()


@pytest.mark.parametrize(
    "changes",
    [{"processes": 0}, {"connections": 65}, {"in_flight_limit": 1}, {"in_flight_limit": 10**6}, {"timeout_s": 0.0}],
)
def test_a_load_that_makes_no_sense_is_refused(changes: dict[str, float]) -> None:
    load = Load(Access("127.0.0.1:1"), Texts(), "run", **changes)  # type: ignore[arg-type]
    with pytest.raises(LoadTestError, match="expected"):
        load.check()


def test_an_observer_that_is_not_there_is_refused() -> None:
    assert observer_of("") is None
    for name in ("loadtest.nowhere:make", "loadtest.plan:make", "loadtest.plan"):
        with pytest.raises(LoadTestError, match="no such function"):
            observer_of(name)


def test_results_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text('{"format": "headwater-loadtest/1"}')
    with pytest.raises(LoadTestError, match=r"not results of a load test \(started_at"):
        read_run(path)
