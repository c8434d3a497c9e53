"""What the chart renders is what Kubernetes, KubeRay and Ray Serve take. Schemas only: no cluster runs here."""

import functools
import json
import sys
from typing import Any

import jsonschema
import pytest
import yaml

from coordinator.config import CoordinatorConfig
from tests.deploy.helm_chart import CHART, EVERYTHING, ask, example, of_kind, render
from tests.deploy.validators import DEPLOY, run
from tests.shared_data import shared_file

# Of what Kubernetes has no schema: definitions that come with KubeRay, cert-manager and the Prometheus operator.
_CUSTOM = {"RayService", "RayJob", "Certificate", "PodMonitor"}
_ALL_VALUES = {"laptop": example("laptop"), "trillions": example("trillions"), "everything": EVERYTHING}
_KUBERNETES = "1.34"
# In a process of its own: importing Serve warns of what it does itself.
_SERVE = """
import json, sys
from ray.serve.schema import ServeDeploySchema
for text in json.loads(sys.argv[1]):
    [application] = ServeDeploySchema.model_validate(text).applications
    [deployment] = application.deployments
    assert deployment.is_autoscaling_configured()
    print(application.name, deployment.name)
"""


@pytest.fixture(params=_ALL_VALUES)
def values(request: pytest.FixtureRequest) -> dict[str, Any]:
    return _ALL_VALUES[request.param]


def test_helm_lints_the_chart():
    answers = ask("lint", *({"chart": str(CHART), "values": values} for values in _ALL_VALUES.values()))
    faults = [one for answer in answers for one in answer["messages"] if "icon is recommended" not in one["error"]]
    assert faults == []


def test_kubernetes_takes_the_manifests_and_no_misspelt_field():
    asked = []
    for values in _ALL_VALUES.values():
        manifests = [one for one in render(values) if one["kind"] not in _CUSTOM]
        assert len(manifests) >= 8
        asked.append({"manifests": manifests, "version": _KUBERNETES})
    volume = yaml.safe_load((DEPLOY / "kubernetes" / "local-volume.yaml").read_text())
    asked.append({"manifests": [volume], "version": _KUBERNETES})
    misspelt = of_kind(render(example("laptop")), "StatefulSet")
    misspelt[0]["spec"]["template"]["spec"]["terminationGracePeriod"] = 5
    *answers, control = ask("validate", *asked, {"manifests": misspelt, "version": _KUBERNETES})
    assert [answer["faults"] for answer in answers] == [[]] * len(asked)
    assert len(control["faults"]) == 1 and "terminationGracePeriod" in control["faults"][0]


def test_kuberay_takes_its_objects(values):
    objects = of_kind(render(values), "RayService", "RayJob")
    assert objects
    for one in objects:
        assert _faults(one) == []


def test_kuberay_refuses_a_misspelt_field():
    service = of_kind(render(example("laptop")), "RayService")[0]
    service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]["maxReplica"] = 3
    assert any("maxReplica" in fault for fault in _faults(service))


def test_ray_serve_takes_its_config():
    configs = [_serve_config(_ray_service(values)) for values in _ALL_VALUES.values()]
    found = run([sys.executable, "-c", _SERVE, json.dumps(configs)])
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == ["headwater", "coordinator"] * len(configs)


def test_coordinators_take_their_settings_and_there_is_a_pod_for_each_replica(values):
    service = _ray_service(values)
    (application,) = _serve_config(service)["applications"]
    config = CoordinatorConfig.model_validate(application["args"])
    (deployment,) = application["deployments"]
    group = service["spec"]["rayClusterConfig"]["workerGroupSpecs"][0]
    autoscaling = deployment["autoscaling_config"]
    assert autoscaling["min_replicas"] == group["minReplicas"]
    # Limits are divided among the most replicas that there can be.
    assert autoscaling["max_replicas"] == group["maxReplicas"] == config.num_replicas
    assert autoscaling["target_ongoing_requests"] <= config.max_running_requests
    assert deployment["max_replicas_per_node"] == 1
    assert deployment["graceful_shutdown_timeout_s"] > config.max_timeout_ms / 1000
    assert group["rayStartParams"]["num-cpus"] == "1"


def _ray_service(values: dict[str, Any]) -> dict[str, Any]:
    (service,) = of_kind(render(values), "RayService")
    return service


def _serve_config(service: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(service["spec"]["serveConfigV2"])
    return config


def _faults(manifest: dict[str, Any]) -> list[str]:
    return [error.message for error in _schema_of(manifest["kind"]).iter_errors(manifest)]


@functools.cache
def _schema_of(kind: str) -> jsonschema.Draft7Validator:
    """Returns KubeRay's definition, closed: a field that it does not know is a fault, where a cluster would drop it."""
    path = shared_file(f"crds/ray.io_{kind.lower()}s.yaml")
    definition = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    (version,) = [one for one in definition["spec"]["versions"] if one["name"] == "v1"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"]["metadata"] = {"type": "object"}
    return jsonschema.Draft7Validator(_closed(schema))


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        closed.setdefault("additionalProperties", False)
    return closed
