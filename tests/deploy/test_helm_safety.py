"""What the chart promises an operator: no copy of a shard goes with the other, nobody gets in who should not."""

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from headwater.cli import cli
from shard_server.config import ShardServerConfig
from tests.deploy.helm_chart import EVERYTHING, changed, example, of_kind, pod_specs, render
from tests.deploy.validators import DEPLOY

_TRILLIONS = example("trillions")
_UNITS = {"Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


@pytest.mark.parametrize("name", ["laptop", "trillions", "everything"])
def test_no_container_runs_as_root_or_may_write_to_its_image(name: str) -> None:
    specs = pod_specs(render(EVERYTHING if name == "everything" else example(name)))
    assert specs
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] and not context["allowPrivilegeEscalation"]
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in container["resources"]["limits"]


def test_only_heads_that_scale_are_given_kubernetes_api() -> None:
    """KubeRay's autoscaler, in the head's pod, starts and ends pods."""
    with_token = [
        spec for spec in pod_specs(render(EVERYTHING)) if spec.get("automountServiceAccountToken") is not False
    ]
    assert [spec["containers"][0]["name"] for spec in with_token] == ["ray-head"]


def test_an_upgrade_replaces_servers_of_one_replica_set_only() -> None:
    for named, wanted in (([0], {"r0": 0, "r1": 3}), ([1], {"r0": 3, "r1": 0})):
        manifests = render(changed(EVERYTHING, "shardServers.update.replicaSets", named))
        partitions = {
            one["metadata"]["name"].removeprefix("hw-pre-a-"): one["spec"]["updateStrategy"]["rollingUpdate"][
                "partition"
            ]
            for one in of_kind(manifests, "StatefulSet")
            if one["metadata"]["name"].startswith("hw-pre-a-")
        }
        assert partitions == wanted


def test_copies_of_a_shard_are_on_different_nodes_and_one_stays_when_nodes_are_emptied() -> None:
    manifests = render(EVERYTHING)
    budgets = of_kind(manifests, "PodDisruptionBudget")
    for one in of_kind(manifests, "StatefulSet"):
        labels = one["spec"]["template"]["metadata"]["labels"]
        corpus, generation = labels["headwater/corpus"], labels["headwater/generation"]
        (apart,) = one["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"][
            "requiredDuringSchedulingIgnoredDuringExecution"
        ]
        # Of the same generation and number, of whatever replica set.
        assert apart["matchLabelKeys"] == ["apps.kubernetes.io/pod-index"]
        assert apart["labelSelector"]["matchLabels"].items() <= labels.items()
        assert "headwater/replica-set" not in apart["labelSelector"]["matchLabels"]
        copies = {"pre": 2, "post": 3, "new": 1}[corpus]
        for ordinal in range(one["spec"]["replicas"]):
            selected = {**labels, "apps.kubernetes.io/pod-index": str(ordinal)}
            minimum = [
                budget["spec"]["minAvailable"]
                for budget in budgets
                if budget["spec"]["selector"]["matchLabels"].items() <= selected.items()
            ]
            assert minimum == ([copies - 1] if copies > 1 else []), (corpus, generation, ordinal)


@pytest.mark.parametrize("settings", [{}, {"drain_notice_s": 0.0, "drain_s": 60}, {"drain_notice_s": 3.2}])
def test_a_server_has_the_time_that_it_takes_to_drain(settings: dict[str, float]) -> None:
    config = ShardServerConfig.model_validate({"index": "/i", **settings})
    for wait in (0, 7):
        values = changed(
            changed(example("laptop"), "shardServers.settings", settings), "shardServers.preStopSeconds", wait
        )
        (one,) = of_kind(render(values), "StatefulSet")
        spec = one["spec"]["template"]["spec"]
        assert spec["terminationGracePeriodSeconds"] >= wait + config.drain_notice_s + config.drain_s + 5
        assert ("lifecycle" in spec["containers"][0]) == (wait > 0)


@pytest.mark.parametrize("wait", [1, 20])
def test_a_coordinator_ends_its_requests_before_ray_ends_it_and_ray_itself_before_kubernetes_does(wait: int) -> None:
    (service,) = of_kind(render(changed(EVERYTHING, "coordinator.preStopSeconds", wait)), "RayService")
    (application,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    requests_s = application["deployments"][0]["graceful_shutdown_timeout_s"]
    (workers,) = service["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    spec = workers["template"]["spec"]
    (drain,) = [one for one in spec["containers"][0]["env"] if one["name"] == "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S"]
    assert requests_s <= float(drain["value"]) <= spec["terminationGracePeriodSeconds"] - wait - 10


def test_coordinators_and_shard_servers_know_each_other_unless_told_otherwise() -> None:
    for values, is_mutual in ((EVERYTHING, True), (example("laptop"), False)):
        manifests = render(values)
        (service,) = of_kind(manifests, "RayService")
        arguments = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"][0]["args"]
        assert {"shard_tls_ca", "shard_tls_cert", "shard_tls_key"} <= arguments.keys() or not is_mutual
        # Without keys the application is refused unless it is told that this is meant.
        assert ("keys_file" in arguments) == is_mutual
        assert arguments.get("insecure_public", False) == (not is_mutual)
        for config_map in of_kind(manifests, "ConfigMap"):
            for name, text in config_map["data"].items():
                if name[0].isdigit() and name.endswith(".yaml"):
                    settings = yaml.safe_load(text)
                    assert ("tls_client_ca" in settings) == is_mutual
                    assert settings.get("insecure_public", False) == (not is_mutual)


def test_only_coordinators_reach_shard_servers_and_nobody_is_let_in_by_default() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(render(EVERYTHING), "NetworkPolicy")}
    assert policies["hw"]["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policies["hw"]
    for spec in pod_specs(render(EVERYTHING)):
        assert not spec.get("hostNetwork")
    search, metrics = policies["hw-shard-server"]["ingress"]
    assert [one["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for one in search["from"]] == [
        "coordinator"
    ]
    assert [port["port"] for port in search["ports"]] == ["grpc"]
    assert [port["port"] for port in metrics["ports"]] == ["metrics"]


def test_metadata_services_are_reached_where_they_are_asked_for_only() -> None:
    def reached(values: dict[str, object]) -> set[tuple[str, int]]:
        policies = {one["metadata"]["name"]: one["spec"] for one in of_kind(render(values), "NetworkPolicy")}
        return {
            (to["ipBlock"]["cidr"], port["port"])
            for rule in policies["hw"]["egress"]
            for to in rule.get("to", ())
            for port in rule["ports"]
        }

    everywhere = {("0.0.0.0/0", 443), ("0.0.0.0/0", 6443)}
    # Of AWS, Azure and Google Cloud; of GKE; of EKS Pod Identity.
    metadata = {("169.254.169.254/32", 80), ("169.254.169.252/32", 988), ("169.254.170.23/32", 80)}
    assert reached(EVERYTHING) == everywhere | metadata
    assert reached(changed(EVERYTHING, "objectStorage.metadata", False)) == everywhere


def test_who_reads_storage_has_the_files_that_open_it_and_nobody_else() -> None:
    seen = 0
    for spec in pod_specs(render(EVERYTHING)):
        for container in (*spec.get("initContainers", ()), *spec["containers"]):
            mounts = [one for one in container.get("volumeMounts", ()) if one["name"] == "storage"]
            reads = any(one["name"] == "GOOGLE_APPLICATION_CREDENTIALS" for one in container.get("env", ()))
            assert mounts == [{"name": "storage", "mountPath": "/etc/headwater/storage", "readOnly": True}] * reads
            secrets = [one["secret"]["secretName"] for one in spec["volumes"] if one["name"] == "storage"]
            assert secrets == ["gcs"] or not reads
            seen += reads
    assert seen > 5
    assert "storage" not in json.dumps([spec["volumes"] for spec in pod_specs(render(_TRILLIONS))])


def test_every_pod_is_one_that_the_default_policy_selects() -> None:
    manifests = render(EVERYTHING)
    (default,) = [one for one in of_kind(manifests, "NetworkPolicy") if one["metadata"]["name"] == "hw"]
    wanted = default["spec"]["podSelector"]["matchLabels"].items()
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in of_kind(manifests, "StatefulSet")]
    for one in of_kind(manifests, "RayService", "RayJob"):
        cluster = one["spec"].get("rayClusterConfig") or one["spec"]["rayClusterSpec"]
        groups = (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])
        labels += [group["template"]["metadata"]["labels"] for group in groups]
    assert len(labels) == 12
    assert all(wanted <= one.items() for one in labels)
    # KubeRay's head Service selects by the name that it gives the pods.
    assert all("app.kubernetes.io/name" not in one for one in labels)


def test_prometheus_finds_every_port_of_metrics() -> None:
    """By the rules of deploy/prometheus: labels and names of ports of the pods."""
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus-kubernetes.yml").read_text())
    jobs = {job["job_name"]: job["relabel_configs"][0]["regex"] for job in config["scrape_configs"]}
    assert jobs["headwater-shard"] == "shard-server;metrics"
    assert jobs["headwater-coordinator"] == "coordinator;coord-metrics.*"
    assert jobs["headwater-ray"] == "(coordinator|coordinator-head);metrics"
    monitors = {one["metadata"]["name"]: one["spec"] for one in of_kind(render(EVERYTHING), "PodMonitor")}
    found = set()
    for name, spec in monitors.items():
        (selected,) = spec["selector"]["matchExpressions"]
        (endpoint,) = spec["podMetricsEndpoints"]
        assert endpoint["relabelings"] == [
            {"sourceLabels": ["__meta_kubernetes_pod_phase"], "regex": "Running", "action": "keep"},
            {"targetLabel": "job", "replacement": name.replace("hw-", "headwater-")},
            {"sourceLabels": ["__meta_kubernetes_pod_label_app_kubernetes_io_instance"], "targetLabel": "release"},
        ]
        found |= {(component, endpoint["port"]) for component in selected["values"]}
    assert found == {
        ("shard-server", "metrics"),
        ("coordinator", "coord-metrics"),
        ("coordinator", "metrics"),
        ("coordinator-head", "metrics"),
    }
    (servers, *_) = of_kind(render(EVERYTHING), "StatefulSet")
    assert {"name": "metrics", "containerPort": 9464} in servers["spec"]["template"]["spec"]["containers"][0]["ports"]


def test_servers_of_trillions_of_tokens_have_the_disk_and_memory_that_the_plan_asks_for() -> None:
    asked = ["--tokens", "4.6T", "--token-width", "4", "--nodes", "16", "--cores", "64", "--memory", "512GB", "--json"]
    done = CliRunner().invoke(cli, ["index", "plan", *asked])
    assert done.exit_code == 0, done.output
    plan = json.loads(done.output)
    servers = of_kind(render(_TRILLIONS), "StatefulSet")
    assert [one["spec"]["replicas"] for one in servers] == [16, 16]
    (generation,) = _TRILLIONS["corpora"][0]["generations"]
    assert generation["shards"] == plan["advised_shards"] == 16 * generation["shardsPerServer"]
    spec = servers[0]["spec"]
    claim = spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    assert plan["index_bytes"] / 16 < _bytes(claim) < 1.2 * plan["index_bytes"] / 16
    memory = spec["template"]["spec"]["containers"][0]["resources"]["requests"]["memory"]
    calls = ShardServerConfig.model_validate({"index": "/i"}).max_running_calls
    # 250 MiB a call is what the largest may take (docs/security.md).
    assert _bytes(memory) > plan["serve_memory_bytes"] / 16 + calls * 250 * 2**20
    # Two servers a node, and coordinators beside them.
    limit = spec["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"]
    assert 2 * _bytes(limit) + _bytes("16Gi") < 512e9


def test_nodes_of_trillions_of_tokens_have_room_for_two_generations_while_an_index_is_swapped() -> None:
    values = changed(_TRILLIONS, "corpora", [dict(_TRILLIONS["corpora"][0])])
    (first,) = values["corpora"][0]["generations"]
    values["corpora"][0]["generations"] = [first, {**first, "name": "b"}]
    manifests = render(values)
    servers = of_kind(manifests, "StatefulSet")
    a_node = sum(one["spec"]["replicas"] for one in servers) / 16
    assert a_node == 4
    requests = servers[0]["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    (service,) = of_kind(manifests, "RayService")
    cluster = service["spec"]["rayClusterConfig"]
    ray = [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    beside = [spec["containers"][0]["resources"]["requests"] for spec in ray]
    # A twentieth of a node is Kubernetes' own.
    assert a_node * int(requests["cpu"]) + sum(int(one["cpu"]) for one in beside) <= 0.95 * 64
    assert a_node * _bytes(requests["memory"]) + sum(_bytes(one["memory"]) for one in beside) <= 0.95 * 512e9
    claim = servers[0]["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"]
    text = (DEPLOY / "helm" / "trillions.yaml").read_text()
    (disk,) = re.findall(r"nodes have (\d+) TB", text)
    assert a_node * _bytes(claim) <= int(disk) * 1e12


def _bytes(quantity: str) -> float:
    return float(quantity[:-2]) * _UNITS[quantity[-2:]]
