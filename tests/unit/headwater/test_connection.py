"""How a coordinator is reached: what is refused before anything is sent, and what the flags say."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import headwater
from bench.certificates import Authority
from coordinator.errors import InvalidRequestError
from headwater.connection import Connection
from headwater.connection_options import API_KEY_VARIABLE, connection_options, to_connection


@pytest.mark.parametrize("target", ["127.0.0.1:9", "[::1]:9", "localhost:9"])
def test_a_key_may_be_sent_in_clear_on_this_machine(target: str) -> None:
    headwater.connect(target, api_key="k").close()


@pytest.mark.parametrize("target", ["10.0.0.1:9", "h.example:9", "[2001:db8::1]:9"])
def test_a_key_is_never_sent_in_clear_over_a_network_unless_told_to(target: str) -> None:
    with pytest.raises(InvalidRequestError, match="the API key would go over the network in clear"):
        headwater.connect(target, api_key="k")
    headwater.connect(target, api_key="k", insecure=True).close()
    headwater.connect(target, api_key="k", tls=True).close()
    headwater.connect(target).close()


def test_what_is_wrong_with_the_files_is_told_at_once(tmp_path: Path) -> None:
    identity = Authority(tmp_path).issue("client")
    with pytest.raises(InvalidRequestError, match="expected both or neither"):
        headwater.connect("h:1", certificate=identity.certificate)
    with pytest.raises(InvalidRequestError, match=r"gone\.pem: cannot read it"):
        headwater.connect("h:1", ca=tmp_path / "gone.pem")
    with pytest.raises(InvalidRequestError, match="expected certificates of CAs"):
        headwater.connect("h:1", ca=identity.key)


@pytest.mark.parametrize("key", ["two\nlines", "naïve", " padded", ""])
def test_what_no_key_looks_like_is_not_sent_and_not_shown(key: str) -> None:
    connection = Connection(api_key=key)
    with pytest.raises(InvalidRequestError) as raised:
        connection.metadata()
    assert not key or key not in str(raised.value)
    assert "api_key" not in repr(connection)


def test_the_key_goes_with_every_call() -> None:
    assert Connection(api_key="k").metadata() == (("authorization", "Bearer k"),)
    assert Connection().metadata() == ()


def parsed(*arguments: str, is_used: bool = True, **environment: str) -> Connection:
    found = []

    @click.command()
    @connection_options
    def command(**flags: Any) -> None:
        found.append(to_connection(flags, is_used=is_used))
        assert flags == {}

    environment = {API_KEY_VARIABLE: "", **environment}
    done = CliRunner().invoke(command, arguments, env=environment, catch_exceptions=False)
    if done.exit_code:
        raise click.UsageError(done.output)
    return found[0]


def test_flags_and_the_environment_say_how_to_connect(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("of the file\n")
    assert parsed() == Connection()
    assert parsed("--tls").is_encrypted
    assert parsed("--tls-ca", "ca.pem") == Connection(ca=Path("ca.pem"))
    given = parsed("--tls-cert", "c", "--tls-key", "k", "--tls-server-name", "n", "--insecure")
    assert given == Connection(certificate=Path("c"), key=Path("k"), server_name="n", insecure=True)
    assert parsed("--api-key-file", str(file), HEADWATER_API_KEY="e").api_key == "of the file"
    assert parsed(HEADWATER_API_KEY="e").api_key == "e"
    assert parsed(is_used=False, HEADWATER_API_KEY="e") == Connection()


@pytest.mark.parametrize(
    ("arguments", "is_used", "message"),
    [
        (["--tls-cert", "c"], True, "--tls-cert and --tls-key go together"),
        (["--api-key-file", "/gone/key"], True, "cannot be read"),
        (["--tls"], False, "--tls is of use with a coordinator only"),
        (["--tls-ca", "c"], False, "--tls-ca is of use with a coordinator only"),
    ],
)
def test_flags_that_make_no_sense_are_refused(arguments: list[str], is_used: bool, message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        parsed(*arguments, is_used=is_used)
