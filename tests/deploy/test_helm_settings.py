"""The settings, flags, variables and files that the chart hands to processes are ones that these processes have."""

import json
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

import shard_server.__main__ as shard_server_command
from coordinator.__main__ import _RAY_ENVIRONMENT
from coordinator.cluster.cluster_file import load_cluster_file
from coordinator.local import front
from deploy.helm.settings_schema import SCHEMA, as_text, with_settings
from headwater.cli import cli
from runtime.settings import load_settings
from shard_server.config import ENVIRONMENT_PREFIX, ShardServerConfig
from tests.deploy.helm_chart import EVERYTHING, changed, example, of_kind, pod_specs, refusals, render

_LAPTOP = example("laptop")
# Of what `python -m coordinator` tells Ray these are for one machine only.
_OF_ONE_MACHINE = {
    "RAY_AUTH_MODE",  # KubeRay sets it
    "RAY_DEDUP_LOGS",
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S",
    "RAY_SERVE_LOG_TO_STDERR",
}


@pytest.mark.parametrize(
    "values", [_LAPTOP, EVERYTHING, example("trillions")], ids=["laptop", "everything", "trillions"]
)
def test_coordinators_ask_each_shard_of_servers_that_hold_it(values: dict[str, Any], tmp_path: Path) -> None:
    manifests = render(values)
    served = _shards_by_address(manifests, tmp_path)
    path = tmp_path / "cluster.yaml"
    path.write_text(_config_map(manifests, "hw-cluster")["cluster.yaml"])
    corpora = load_cluster_file(path).corpora
    active = [corpus for corpus in values["corpora"] if "active" in corpus]
    assert [corpus.name for corpus in corpora] == [corpus["name"] for corpus in active]
    for corpus, asked in zip(corpora, active, strict=True):
        (generation,) = [one for one in asked["generations"] if one["name"] == asked["active"]]
        assert [places.shard for places in corpus.shards] == list(range(generation["shards"]))
        for places in corpus.shards:
            assert len(places.replicas) == generation["replicaSets"]
            assert all(places.shard in served[address] for address in places.replicas)


def test_what_is_brought_is_what_is_served(tmp_path: Path) -> None:
    for config_map in of_kind(render(EVERYTHING), "ConfigMap"):
        for name, text in config_map["data"].items():
            if name.endswith(".shards"):
                settings = yaml.safe_load(config_map["data"][name.replace(".shards", ".yaml")])
                assert text.split() == [word for shard in settings["shards"] for word in ("--shard", str(shard))]


def test_coordinators_bring_the_manifests_of_all_generations() -> None:
    lines = _config_map(render(EVERYTHING), "hw-cluster")["indexes"].splitlines()
    assert lines == [
        "/srv/indexes/pre/a s3://b/one active",
        "/srv/indexes/pre/b s3://b/two waiting",
        "/srv/indexes/post/a s3://b/post active",
        "/srv/indexes/new/a s3://b/new waiting",
    ]


def test_commands_have_the_flags_that_they_are_given() -> None:
    options = {
        "shard_server": _options(shard_server_command.main),
        "coordinator.local.front": _options(front.main),
        "headwater index pull": _options(_subcommand("index", "pull")),
        "headwater index build": _options(_subcommand("index", "build")),
    }
    seen = set()
    for words in _command_lines(render(EVERYTHING)):
        for command, known in options.items():
            if command in " ".join(words):
                seen.add(command)
                given = {word.split("=")[0] for word in words if word.startswith("--") and word != "--"}
                assert given <= known, f"{command} has no {given - known}"
    assert seen == options.keys()


def test_ray_is_told_what_a_coordinator_on_one_machine_tells_it() -> None:
    for spec in _ray_pods(EVERYTHING):
        told = {one["name"]: one["value"] for one in spec["containers"][0]["env"] if "value" in one}
        for name, value in _RAY_ENVIRONMENT.items():
            if name not in _OF_ONE_MACHINE:
                assert told.get(name) == value, name


def test_ray_serve_knows_its_variables() -> None:
    ray = find_spec("ray")
    assert ray is not None and ray.origin is not None
    constants = (Path(ray.origin).parent / "serve" / "_private" / "constants.py").read_text()
    names = {one["name"] for spec in _ray_pods(EVERYTHING) for one in spec["containers"][0]["env"]}
    of_serve = {name for name in names if name.startswith("RAY_SERVE_")}
    assert len(of_serve) > 10
    assert [name for name in sorted(of_serve) if f'"{name}"' not in constants] == []


def test_values_that_are_wrong_are_refused() -> None:
    wrong: list[tuple[str, object, str]] = [
        ("tls.shard", {}, "'shard' not allowed"),
        ("shardServers.settings.max_running_cals", 4, "'max_running_cals' not allowed"),
        ("shardServers.settings.max_running_calls", "many", "got string, want integer"),
        ("shardServers.settings.max_running_calls", 0, "minimum: got 0, want 1"),
        # The chart decides these.
        ("shardServers.settings.listen", "0.0.0.0:1", "'listen' not allowed"),
        ("coordinator.settings.keys_file", "/k", "'keys_file' not allowed"),
        ("coordinator.settings.redaction", 3, "got number, want string"),
        ("tls.shards.mode", "off", "'secrets', 'cert-manager', 'none'"),
        ("corpora", [], "minItems: got 0, want 1"),
        ("corpora", [{**_LAPTOP["corpora"][0], "active": "b"}], "active is b, expected one of its generations: a"),
        ("corpora", [{**_LAPTOP["corpora"][0], "active": ""}], "none has an active generation"),
        ("corpora", [_LAPTOP["corpora"][0]] * 2, "demo stands there twice"),
        ("coordinator.minReplicas", 3, "minReplicas is 3, expected at most maxReplicas, which is 1"),
        ("coordinator.terminationGracePeriodSeconds", 139, "is 139, expected at least 140"),
        ("fullnameOverride", "a-name-of-more-than-twenty-characters", "maxLength"),
    ]
    found = refusals(*(changed(_LAPTOP, path, value) for path, value, _ in wrong))
    assert [(one, refusal) for one, refusal in zip(wrong, found, strict=True) if one[2] not in refusal] == []


def test_the_schema_has_the_settings_that_there_are() -> None:
    text = SCHEMA.read_text()
    wanted = as_text(with_settings(json.loads(text)))
    assert text == wanted, "run .venv/bin/python -m deploy.helm.settings_schema"


def _shards_by_address(manifests: list[dict[str, Any]], tmp_path: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shards of each server by its address, as the server itself reads its settings."""
    served = {}
    for one in of_kind(manifests, "StatefulSet"):
        name, service = one["metadata"]["name"], one["spec"]["serviceName"]
        (container,) = one["spec"]["template"]["spec"]["containers"]
        for ordinal in range(one["spec"]["replicas"]):
            path = tmp_path / "settings.yaml"
            path.write_text(_config_map(manifests, service)[f"{ordinal}.yaml"])
            flags = dict(word.removeprefix("--").replace("-", "_").split("=") for word in container["args"])
            assert flags.pop("config") == "/etc/headwater/settings/$(SERVER).yaml"
            config = load_settings(ShardServerConfig, ENVIRONMENT_PREFIX, flags=flags, config_file=path)
            assert config.listen == "0.0.0.0:7001"
            assert config.metrics_listen == "0.0.0.0:9464"
            served[f"{name}-{ordinal}.{service}.prod.svc.cluster.local:7001"] = config.shards
    return served


def _config_map(manifests: list[dict[str, Any]], name: str) -> dict[str, str]:
    (found,) = [one for one in of_kind(manifests, "ConfigMap") if one["metadata"]["name"] == name]
    data: dict[str, str] = found["data"]
    return data


def _ray_pods(values: dict[str, Any]) -> list[dict[str, Any]]:
    (service,) = of_kind(render(values), "RayService")
    return pod_specs([service])


def _command_lines(manifests: list[dict[str, Any]]) -> list[list[str]]:
    """Returns the words of every command that a container runs; those of a script together."""
    lines = []
    for spec in pod_specs(manifests):
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            words = [*container.get("command", ()), *container.get("args", ())]
            lines.append([part for word in words for part in word.replace('"', " ").split()])
    return lines + [shlex.split(one["spec"]["entrypoint"]) for one in of_kind(manifests, "RayJob")]


def _subcommand(*names: str) -> click.Command:
    command: click.Command = cli
    for name in names:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None, name
        command = found
    return command


def _options(command: click.Command) -> set[str]:
    return {flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)}
