"""``headwater serve``: what its flags make of a cluster, and what it says of a lost server. No process is started."""

from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headwater import serve_command
from headwater.local_cluster import LocalClusterError


class Cluster:
    """A cluster of some shards, of whose servers some have ended, and whose coordinator ends at the first look."""

    def __init__(self, replicas: list[list[str]], lost: list[str]) -> None:
        self.replica_addresses = replicas
        self.arguments: dict[str, Any] = {}
        self.index = SimpleNamespace(index_id="ab", num_tokens=1, num_shards=1)
        self.grpc_target = self.http_url = "here"
        self._lost = lost

    def __enter__(self) -> "Cluster":
        return self

    def __exit__(self, *_: object) -> None: ...

    def lost_shards(self) -> list[str]:
        return self._lost

    def coordinator_log(self) -> str:
        return "its last words"


def serve(monkeypatch: pytest.MonkeyPatch, cluster: Cluster, *arguments: str) -> Result:
    def made(*_: object, **given: Any) -> Cluster:
        cluster.arguments = given
        return cluster

    monkeypatch.setattr(serve_command, "LocalCluster", made)
    monkeypatch.setattr(serve_command, "_POLL_S", 0.0)
    # They would be about the processes of the test run.
    for name in ("adopt_orphans", "end_descendants"):
        monkeypatch.setattr(serve_command, name, lambda *_: None)
    monkeypatch.setattr(serve_command.signal, "signal", lambda *_: None)
    return CliRunner().invoke(serve_command.serve, ["--index", "an-index", *arguments])


def test_flags_are_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([["a:1"]], [])
    serve(monkeypatch, cluster, "--shards-per-server", "3", "--replicas-per-shard", "2", "--grpc-port", "5")
    assert cluster.arguments["shards_per_server"] == 3
    assert cluster.arguments["replicas_per_shard"] == 2
    assert (cluster.arguments["host"], cluster.arguments["grpc_port"]) == ("127.0.0.1", 5)


@pytest.mark.parametrize(
    ("replicas", "lost", "consequence"),
    [
        ([["a:1"]], ["a:1"], "traces go on without its shards"),
        ([["a:1", "b:1"]], ["a:1"], "other replicas answer for its shards"),
        ([["a:1", "b:1"]], ["a:1", "b:1"], "traces go on without its shards"),
        ([["a:1", "b:1"], ["c:1"]], ["a:1", "c:1"], "other replicas answer for its shards"),
        ([["a:1", "b:1"], ["a:1"]], ["a:1"], "traces go on without its shards"),
    ],
)
def test_lost_server_is_told_with_what_it_means(
    monkeypatch: pytest.MonkeyPatch, replicas: list[list[str]], lost: list[str], consequence: str
) -> None:
    result = serve(monkeypatch, Cluster(replicas, lost))
    assert f"warning: the shard server at a:1 has ended; {consequence}\n" in result.stderr
    assert result.exit_code == 1
    assert "the coordinator has ended; its log says:\nits last words" in result.stderr


def test_failure_to_start_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([], [])

    def fail(_: Cluster) -> Cluster:
        raise LocalClusterError("port in use")

    monkeypatch.setattr(Cluster, "__enter__", fail)
    result = serve(monkeypatch, cluster)
    assert (result.exit_code, result.stderr) == (1, "Error: port in use\n")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0:9000: this is not a loopback address, and anybody who reaches it may ask"),
        (["--host", "0.0.0.0", "--tls-cert", "c", "--tls-key", "k"], "give --tls-cert and --tls-key, and --keys-file"),
        (["--host", "0.0.0.0", "--keys-file", "f"], "what it says can be read on the way"),
        (["--tls-cert", "c"], "--tls-cert and --tls-key go together"),
    ],
)
def test_what_others_could_reach_unprotected_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], message: str
) -> None:
    cluster = Cluster([["a:1"]], [])
    done = serve(monkeypatch, cluster, *flags)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert cluster.arguments == {}


@pytest.mark.parametrize(
    "flags",
    [
        ["--tls-cert", "c", "--tls-key", "k", "--keys-file", "f"],
        ["--tls-cert", "c", "--tls-key", "k", "--tls-client-ca", "a"],
        ["--insecure-public"],
    ],
)
def test_what_is_protected_or_said_to_be_is_served(monkeypatch: pytest.MonkeyPatch, flags: list[str]) -> None:
    cluster = Cluster([["a:1"]], [])
    serve(monkeypatch, cluster, "--host", "0.0.0.0", *flags)
    settings = cluster.arguments["coordinator_settings"]
    assert settings["insecure_public"] is ("--insecure-public" in flags)
    given = [f"--{name.replace('_', '-')}" for name in settings if name != "insecure_public"]
    assert given == [flag for flag in ("--tls-cert", "--tls-key", "--tls-client-ca", "--keys-file") if flag in flags]
    assert all(path.is_absolute() for name, path in settings.items() if name != "insecure_public")
