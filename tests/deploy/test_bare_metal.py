"""Files for machines without Kubernetes, read by those who read them in earnest: our processes, Serve and Ray."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

from coordinator.__main__ import _RAY_ENVIRONMENT
from coordinator.cluster.cluster_file import ClusterFile
from coordinator.config import SERVICER_FUNCTIONS, CoordinatorConfig, LocalConfig
from coordinator.local import front
from runtime.settings import load_settings
from shard_server.config import ShardServerConfig
from tests.deploy.validators import DEPLOY, run

BARE_METAL = DEPLOY / "bare_metal"
# In a process of its own: Ray's modules warn when they are imported.
READ_BY_RAY = """
import json, sys, yaml
from coordinator.app import APPLICATION
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.serve.schema import ServeDeploySchema
serve, cluster = (yaml.safe_load(open(path)) for path in sys.argv[1:])
[application] = ServeDeploySchema.model_validate(serve).applications
validate_config(prepare_config(cluster))
print(json.dumps({"name": application.name, "expected": APPLICATION, "args": application.args}))
"""


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


def variables(path: Path) -> dict[str, str]:
    """Returns what a file of variables sets, as systemd and the shell both read it."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def test_settings_of_the_processes_are_known_to_them() -> None:
    shard = load_settings(ShardServerConfig, "X_", config_file=BARE_METAL / "shard-server.yaml")
    corpora = ClusterFile.model_validate(read("bare_metal/cluster.yaml")).corpora
    assert shard.listen in corpora[0].shards[shard.shards[0]].replicas
    assert shard.index == corpora[0].index
    local = load_settings(LocalConfig, "X_", config_file=BARE_METAL / "coordinator.yaml")
    assert local.keys_file is not None
    assert local.tls_cert is not None


def test_serve_and_ray_take_their_files_and_the_coordinator_its_arguments() -> None:
    command = [sys.executable, "-W", "ignore", "-c", READ_BY_RAY]
    found = run([*command, BARE_METAL / "serve.yaml", DEPLOY / "ray" / "cluster.yaml"])
    assert found.returncode == 0, found.stderr
    application = json.loads(found.stdout)
    assert application["name"] == application["expected"]
    config = CoordinatorConfig.model_validate(application["args"])
    assert config.cluster_file == Path("/etc/headwater/cluster.yaml")


def test_serve_knows_our_services_and_starts_what_we_deploy() -> None:
    found = read("bare_metal/serve.yaml")
    assert tuple(found["grpc_options"]["grpc_servicer_functions"]) == SERVICER_FUNCTIONS
    assert found["applications"][0]["import_path"] == "coordinator.app:build"


def test_haproxy_is_set_as_on_one_machine() -> None:
    found = variables(BARE_METAL / "ray.env")
    # What concerns one machine alone: nowhere to drain to, logs that the command writes itself, a slow start.
    of_one_machine = {
        "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S",
        "RAY_SERVE_LOG_TO_STDERR",
        "RAY_DEDUP_LOGS",
        "RAY_raylet_start_wait_time_s",
    }
    wanted = {name: value for name, value in _RAY_ENVIRONMENT.items() if name not in of_one_machine}
    assert {name: found.get(name) for name in wanted} == wanted
    assert front.__doc__ is not None
    for name, place in re.findall(r"(RAY_\w+)=FOLDER(\S*)", front.__doc__):
        assert found[name] == f"/run/headwater/front{place}"
