"""Every series that can be asked for, with its labels: of our processes, of the rules, of Prometheus and of Ray."""

import re
from pathlib import Path
from typing import Any, get_args

import grpc
import yaml
from prometheus_client import CollectorRegistry, ProcessCollector

from coordinator.cluster.observer import HedgeOutcome, ReloadOutcome, ReplicaState, Rpc
from coordinator.metrics import CoordinatorMetrics
from protos.coordinator.v1 import coordinator_pb2
from shard_server.metrics import Metrics
from tests.deploy.validators import DEPLOY

RULES = DEPLOY / "prometheus" / "rules"
OF_RELEASE = {"namespace", "release"}
OF_TARGETS = {"job", "instance", "machine", "pod"} | OF_RELEASE
# What a Ray 2.60.0 with Serve exports, as far as it is asked for, with the labels that are left after scraping.
OF_RAY = {
    "ray_serve_application_status": {"application"},
    "ray_serve_deployment_status": {"application", "deployment"},
    "ray_serve_deployment_replica_healthy": {"application", "deployment", "replica"},
    "ray_serve_autoscaling_target_replicas": {"application", "deployment"},
    "ray_serve_proxy_status": {"node_id", "node_ip_address"},
    "ray_serve_controller_control_loop_duration_s": set(),
    "ray_node_mem_used": {"ip"},
    "ray_node_mem_total": {"ip"},
    "ray_node_cpu_utilization": {"ip"},
    "ray_component_rss_bytes": {"Component", "ip", "pid"},
}
_OF_PROMETHEUS = {"up": set(), "ALERTS": {"alertname", "alertstate", "severity"}}
_CODES = {code.name for code in grpc.StatusCode}
_METHODS = set(coordinator_pb2.DESCRIPTOR.services_by_name["CoordinatorService"].methods_by_name)
# The values that a label can have, by metric; "" stands for all others.
VALUES: dict[tuple[str, str], set[str]] = {
    ("", "code"): _CODES,
    ("", "status"): _CODES,
    ("", "method"): _METHODS,
    ("", "rpc"): set(get_args(Rpc)),
    ("", "state"): set(get_args(ReplicaState)),
    ("", "job"): {"headwater-shard", "headwater-coordinator", "headwater-ray", "headwater-.*"},
    ("", "application"): {"headwater"},
    ("", "alertname"): {"Headwater.*"},
    ("", "alertstate"): {"firing"},
    ("", "severity"): {"critical", "warning"},
    ("", "corpus"): {"$corpus"},
    ("", "namespace"): {"$namespace"},
    ("", "release"): {"$release"},
    ("headwater_coordinator_hedges_total", "outcome"): set(get_args(HedgeOutcome)),
    ("headwater_coordinator_reloads_total", "outcome"): set(get_args(ReloadOutcome)),
    ("headwater_coordinator_reload_pending", "outcome"): set(get_args(ReloadOutcome)) - {"applied"},
    ("headwater_coordinator_cache_total", "outcome"): {"hit", "miss", "shared"},
}


def registries() -> list[CollectorRegistry]:
    """Returns what a coordinator and what a shard server exports."""
    coordinator, shard_server = CoordinatorMetrics().registry, Metrics().registry
    for registry in (coordinator, shard_server):
        ProcessCollector(registry=registry)
    return [coordinator, shard_server]


def families() -> set[str]:
    """Returns the name of each metric of ours as a query has it, without the suffixes of histograms."""
    return {
        f"{metric.name}_total" if metric.type == "counter" else metric.name
        for registry in registries()
        for metric in registry.collect()
    }


def family_of(series: str) -> str:
    """Returns the metric that a series is of."""
    short = re.sub(r"_(bucket|sum|count)$", "", series)
    return short if short in families() else series


def recorded() -> dict[str, str]:
    """Returns the expression of each recorded series."""
    return {rule["record"]: rule["expr"] for rule in rules("recording.yml")}


def rules(file: str) -> list[dict[str, Any]]:
    """Returns the rules of a file, of all its groups."""
    content = yaml.safe_load((RULES / file).read_text())
    return [rule for group in content["groups"] for rule in group["rules"]]


def level_of(record: str) -> set[str]:
    """Returns the labels that the name of a recorded series says that it has, besides those of its release."""
    level = record.partition(":")[0]
    return set() if level == "headwater" else set(level.split("_"))


def labels_by_series() -> dict[str, set[str]]:
    """Returns the labels of every series that can be asked for."""
    found: dict[str, set[str]] = {}
    for registry in registries():
        for collector in list(registry._collector_to_names):
            labels = set(getattr(collector, "_labelnames", ()))
            for name in registry._collector_to_names[collector]:
                found[name] = labels | OF_TARGETS | ({"le"} if name.endswith("_bucket") else set())
    for metric in registries()[0].collect():
        if metric.name.startswith("process_"):
            name = f"{metric.name}_total" if metric.type == "counter" else metric.name
            found[name] = set(OF_TARGETS)
    found |= {name: labels | OF_TARGETS for name, labels in (OF_RAY | _OF_PROMETHEUS).items()}
    return found | {record: level_of(record) | OF_RELEASE for record in recorded()}


def buckets() -> dict[str, set[str]]:
    """Returns the upper bounds of each histogram as its label ``le`` has them."""
    return {
        name: {f"{bound:g}" for bound in collector._upper_bounds}  # type: ignore[attr-defined]
        for registry in registries()
        for collector in list(registry._collector_to_names)
        if hasattr(collector, "_upper_bounds")
        for name in registry._collector_to_names[collector]
        if name.endswith("_bucket")
    }


def read_yaml(path: Path) -> Any:
    """Returns the content of a file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
