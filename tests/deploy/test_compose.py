"""The compose file: against compose-spec's schema, and against what the servers take."""

from typing import Any

import yaml

from coordinator.cluster.cluster_file import ClusterFile
from coordinator.config import ENVIRONMENT_PREFIX as COORDINATOR_PREFIX
from coordinator.config import LocalConfig
from runtime.settings import load_settings
from shard_server.config import ENVIRONMENT_PREFIX as SHARD_PREFIX
from shard_server.config import ShardServerConfig
from tests.deploy.validators import DEPLOY, run, validator

COMPOSE = DEPLOY / "compose"


def services() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    found: dict[str, Any] = content["services"]
    return found


def environment_of(service: dict[str, Any]) -> dict[str, str]:
    """Returns the variables as compose sets them: those that are not given have their default."""
    return {name: value.replace("${HEADWATER_INDEX:-one}", "one") for name, value in service["environment"].items()}


def test_it_is_what_compose_reads() -> None:
    found = run([validator("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", COMPOSE / "compose.yaml"])
    assert found.returncode == 0, found.stdout + found.stderr


def test_servers_take_their_settings_and_the_cluster_file_names_them() -> None:
    found = services()
    coordinator = load_settings(LocalConfig, COORDINATOR_PREFIX, environment=environment_of(found["coordinator"]))
    assert f"./cluster.yaml:{coordinator.cluster_file}:ro" in found["coordinator"]["volumes"]
    corpora = ClusterFile.model_validate(yaml.safe_load((COMPOSE / "cluster.yaml").read_text())).corpora
    places = {place: shard.shard for corpus in corpora for shard in corpus.shards for place in shard.replicas}
    servers = {}
    for name in ("shard-0", "shard-1"):
        settings = load_settings(ShardServerConfig, SHARD_PREFIX, environment=environment_of(found[name]))
        assert settings.index == corpora[0].index
        servers[f"{name}:{settings.listen.rpartition(':')[2]}"] = settings.shards[0]
    assert places == servers


def test_prometheus_scrapes_where_the_servers_listen() -> None:
    for job, names in (("shards", ("shard-0", "shard-1")), ("coordinators", ("coordinator",))):
        [group] = yaml.safe_load((COMPOSE / "targets" / f"{job}.yml").read_text())
        variables = [services()[name]["environment"] for name in names]
        listening = [
            f"{name}:{value.rpartition(':')[2]}"
            for name, found in zip(names, variables, strict=True)
            for variable, value in found.items()
            if variable.endswith("_METRICS_LISTEN")
        ]
        assert set(listening) <= set(group["targets"])


def test_nothing_is_published_beyond_this_machine_and_every_container_is_confined() -> None:
    for name, service in services().items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
