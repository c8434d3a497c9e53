"""Prometheus' own tool checks the rules, runs their tests, and reads both configurations."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import exported
from tests.deploy.promql import asked
from tests.deploy.validators import DEPLOY, ROOT, run, validator

PROMETHEUS = DEPLOY / "prometheus"
RULE_FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))
TEST_FILES = sorted((PROMETHEUS / "tests").glob("*.yml"))
CONFIGURATIONS = ("prometheus.yml", "prometheus-kubernetes.yml")


@pytest.fixture(scope="module")
def promtool() -> Path:
    return validator("promtool", package="prometheus")


def test_the_rules_are_valid(promtool: Path) -> None:
    found = run([promtool, "check", "rules", *RULE_FILES])
    assert found.returncode == 0, found.stdout + found.stderr


@pytest.mark.parametrize("file", TEST_FILES, ids=lambda file: file.stem)
def test_the_rules_pass_their_tests(promtool: Path, file: Path) -> None:
    found = run([promtool, "test", "rules", file])
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count("SUCCESS") == 1


def test_a_test_that_expects_something_else_fails(promtool: Path, tmp_path: Path) -> None:
    content = exported.read_yaml(PROMETHEUS / "tests" / "ray.yml")
    content["rule_files"] = [str(file) for file in RULE_FILES]
    content["tests"][0]["promql_expr_test"][1]["exp_samples"] = []
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(yaml.safe_dump(content))
    assert run([promtool, "test", "rules", wrong]).returncode != 0


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    fired, silent = set(), set()
    for file in TEST_FILES:
        for test in exported.read_yaml(file)["tests"]:
            for case in test.get("promql_expr_test", ()):
                names = {value for one in asked(case["expr"]) for value in one.values.get("alertname", ())}
                (fired if case["exp_samples"] else silent).update(names)
    alerts = {rule["alert"] for rule in exported.rules("alerts.yml")}
    assert alerts <= fired, f"not seen to fire: {sorted(alerts - fired)}"
    assert alerts <= silent, f"not seen to be silent: {sorted(alerts - silent)}"


def test_every_recorded_series_is_computed_in_a_test() -> None:
    tested = {
        one.name
        for case in exported.read_yaml(PROMETHEUS / "tests" / "recording.yml")["tests"][0]["promql_expr_test"]
        for one in asked(case["expr"])
    }
    assert tested == set(exported.recorded())


@pytest.mark.parametrize("rule", exported.rules("alerts.yml"), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_where_help_is(rule: dict[str, Any]) -> None:
    assert rule["alert"].startswith("Headwater")
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    page, anchor = rule["annotations"]["runbook_url"].split("#")
    words = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in rule["alert"])
    assert (page, f"-headwater-{anchor}") == ("docs/operations.md", words)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_is_one_that_prometheus_takes(promtool: Path, tmp_path: Path, name: str) -> None:
    # Debian's Prometheus knows no Kubernetes: there the discovery is exchanged, and all else is checked.
    config = with_targets(name, tmp_path, [])
    config["rule_files"] = [str(file) for file in RULE_FILES]
    found = run([promtool, "check", "config", written(tmp_path, config)])
    assert found.returncode == 0, found.stdout + found.stderr
    assert [job["job_name"] for job in config["scrape_configs"]] == [
        "headwater-shard",
        "headwater-coordinator",
        "headwater-ray",
    ]


def test_the_discovery_asks_kubernetes_for_our_pods_only() -> None:
    for job in exported.read_yaml(PROMETHEUS / "prometheus-kubernetes.yml")["scrape_configs"]:
        selector = {"role": "pod", "label": "app.kubernetes.io/part-of=headwater"}
        assert job["kubernetes_sd_configs"] == [{"role": "pod", "selectors": [selector]}]


# Component and phase of a pod, name of a port, and the job that scrapes it. A pod is Pending until its init containers
# have brought what it needs.
PORTS = (
    ("shard-server", "Running", "metrics", "headwater-shard"),
    ("shard-server", "Pending", "metrics", None),
    ("shard-server", "Failed", "metrics", None),
    ("shard-server", "Running", "grpc", None),
    ("coordinator", "Running", "coord-metrics", "headwater-coordinator"),
    ("coordinator", "Running", "coord-metrics-1", "headwater-coordinator"),
    ("coordinator", "Pending", "coord-metrics", None),
    ("coordinator", "Running", "metrics", "headwater-ray"),
    ("coordinator", "Pending", "metrics", None),
    ("coordinator-head", "Running", "metrics", "headwater-ray"),
    ("coordinator-head", "Running", "gcs", None),
    ("index-job", "Running", "metrics", None),
)


def test_each_job_scrapes_its_ports_of_pods_and_no_others(promtool: Path, tmp_path: Path) -> None:
    targets = [
        {
            "targets": [f"10.0.0.{number}:9464"],
            "labels": {
                "__meta_kubernetes_namespace": "traces",
                "__meta_kubernetes_pod_name": f"pod-{number}",
                "__meta_kubernetes_pod_label_app_kubernetes_io_instance": "hw",
                "__meta_kubernetes_pod_node_name": "node-0",
                "__meta_kubernetes_pod_label_app_kubernetes_io_component": component,
                "__meta_kubernetes_pod_phase": phase,
                "__meta_kubernetes_pod_container_port_name": port,
            },
        }
        for number, (component, phase, port, _) in enumerate(PORTS)
    ]
    file = written(tmp_path, with_targets("prometheus-kubernetes.yml", tmp_path, targets))
    jobs = ("headwater-shard", "headwater-coordinator", "headwater-ray")
    # It always waits for the whole timeout, for targets that may yet come.
    commands: list[list[str | Path]] = [
        [promtool, "check", "service-discovery", "--timeout=2s", file, job] for job in jobs
    ]
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(run, commands))
    for job, found in zip(jobs, answers, strict=True):
        assert found.returncode == 0, found.stderr
        discovered = json.loads(found.stdout)
        assert len(discovered) == len(PORTS)
        scraped = {one["labels"]["instance"]: one["labels"] for one in discovered if one["labels"]}
        assert set(scraped) == {f"10.0.0.{number}:9464" for number, (*_, by) in enumerate(PORTS) if by == job}
        for labels in scraped.values():
            assert (labels["namespace"], labels["release"], labels["node"]) == ("traces", "hw", "node-0")
            assert labels["pod"].startswith("pod-")


def with_targets(name: str, directory: Path, targets: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns a configuration whose targets come from a file, with the rules where they are."""
    (directory / "targets.yml").write_text(yaml.safe_dump(targets))
    config: dict[str, Any] = exported.read_yaml(PROMETHEUS / name)
    config["rule_files"] = []
    for job in config["scrape_configs"]:
        job.pop("kubernetes_sd_configs", None)
        job["file_sd_configs"] = [{"files": [str(directory / "targets.yml")]}]
    return config


def written(directory: Path, config: dict[str, Any]) -> Path:
    """Writes a configuration, and returns its file."""
    file = directory / "config.yml"
    file.write_text(yaml.safe_dump(config))
    return file


def test_the_files_of_targets_are_there() -> None:
    for job in exported.read_yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"]:
        ((file,),) = (discovery["files"] for discovery in job["file_sd_configs"])
        assert all(group["targets"] for group in exported.read_yaml(PROMETHEUS / file))


def test_the_targets_are_where_the_processes_of_bare_metal_listen() -> None:
    bare_metal = DEPLOY / "bare_metal"

    def ports(file: str) -> set[int]:
        (group,) = exported.read_yaml(PROMETHEUS / "targets" / file)
        return {int(target.rpartition(":")[2]) for target in group["targets"]}

    def port(settings: dict[str, Any]) -> int:
        return int(settings["metrics_listen"].rpartition(":")[2])

    assert ports("shards.yml") == {port(exported.read_yaml(bare_metal / "shard-server.yaml"))}
    alone = exported.read_yaml(bare_metal / "coordinator.yaml")
    assert ports("coordinators.yml") == {port(alone) + number for number in range(alone["num_replicas"])}
    (application,) = exported.read_yaml(bare_metal / "serve.yaml")["applications"]
    assert port(application["args"]) == port(alone)
    for folder in (PROMETHEUS, DEPLOY / "compose"):
        groups = exported.read_yaml(folder / "targets" / "coordinators.yml")
        assert len({group["labels"]["machine"] for group in groups}) == len(groups)


def test_all_that_serves_together_is_of_one_release() -> None:
    for folder in (PROMETHEUS, DEPLOY / "compose"):
        groups = [group for file in (folder / "targets").glob("*.yml") for group in exported.read_yaml(file)]
        assert len({group["labels"]["release"] for group in groups}) == 1


def test_the_runbook_of_every_alert_is_on_the_page() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for rule in exported.rules("alerts.yml"):
        anchor = rule["annotations"]["runbook_url"].partition("#")[2]
        assert f'<a id="{anchor}"></a>' in text, rule["alert"]
        assert f"`{rule['alert']}`" in text
