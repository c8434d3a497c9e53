"""The chart as Helm renders it, for tests; they skip where Helm is not, see `validators`."""

import copy
import functools
import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.validators import DEPLOY, validator_python

CHART = DEPLOY / "helm" / "headwater"
_TOOL = Path(__file__).parent / "helm_tool.py"

# Everything that can be switched on: copies, a corpus whose last server has fewer shards, a generation in waiting.
EVERYTHING: dict[str, Any] = {
    "image": {"pullSecrets": ["registry"]},
    "tls": {"shards": {"mode": "cert-manager", "issuer": {"name": "ca"}}, "callers": {"clientCertificates": True}},
    "sharedState": {"existingClaim": "shared"},
    "objectStorage": {
        "existingSecret": "s3",
        "filesSecret": "gcs",
        "env": {"AWS_REGION": "eu-west-1", "GOOGLE_APPLICATION_CREDENTIALS": "/etc/headwater/storage/key.json"},
        "metadata": True,
    },
    "sourceVolume": {"persistentVolumeClaim": {"claimName": "source", "readOnly": True}},
    "corpora": [
        {
            "name": "pre",
            "displayName": 'Pre-training: "all"',
            "stage": "pre-training",
            "active": "a",
            "generations": [
                {"name": "a", "url": "s3://b/one", "shards": 5, "shardsPerServer": 2, "replicaSets": 2},
                {"name": "b", "url": "s3://b/two", "shards": 3, "shardsPerServer": 1, "replicaSets": 2},
            ],
        },
        {
            "name": "post",
            "active": "a",
            "generations": [{"name": "a", "url": "s3://b/post", "shards": 1, "shardsPerServer": 1, "replicaSets": 3}],
        },
        # Its servers run, and it is not served yet.
        {
            "name": "new",
            "generations": [{"name": "a", "url": "s3://b/new", "shards": 1, "shardsPerServer": 1, "replicaSets": 1}],
        },
    ],
    "shardServers": {
        "preStopSeconds": 5,
        "settings": {"drain_s": 20.5, "max_takedown_bytes": 134217728},
        "localStorageClass": {"create": True},
        "nodeSelector": {"disk": "nvme"},
        "tolerations": [{"key": "search", "operator": "Exists"}],
        "priorityClassName": "high",
    },
    "coordinator": {
        "settings": {"max_queued_requests": 128, "max_timeout_ms": 65500, "default_timeout_ms": 20000},
        "redis": {"address": "redis:6379", "passwordSecret": {"name": "redis"}},
    },
    "indexJob": {"enabled": True, "args": ["s3://b/corpus/", "--out=s3://b/one"], "existingClaim": "build"},
    "podMonitors": {"enabled": True},
}


def example(name: str) -> dict[str, Any]:
    """Returns the values of one of the examples beside the chart."""
    values: dict[str, Any] = yaml.safe_load((DEPLOY / "helm" / f"{name}.yaml").read_text())
    return values


def changed(values: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Returns the values with one of them, named like ``tls.shards.mode``, replaced or added."""
    new = copy.deepcopy(values)
    *folders, name = path.split(".")
    part = new
    for folder in folders:
        part = part.setdefault(folder, {})
    part[name] = value
    return new


def render(values: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the manifests of a release ``hw`` in the namespace ``prod``."""
    answer = _rendered(json.dumps(values))
    assert "refused" not in answer, answer["refused"]
    return copy.deepcopy(answer["manifests"])  # type: ignore[no-any-return]


def refusals(*values: dict[str, Any]) -> list[str]:
    """Returns why Helm does not take each of some values; empty where it does."""
    answers = ask("render", *({"chart": str(CHART), "values": one} for one in values))
    return [str(answer.get("refused", "")) for answer in answers]


def of_kind(manifests: list[dict[str, Any]], *kinds: str) -> list[dict[str, Any]]:
    """Returns those of some kinds, in their order."""
    return [manifest for manifest in manifests if manifest["kind"] in kinds]


def pod_specs(manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the spec of every kind of pod that comes of the manifests."""
    specs = [one["spec"]["template"]["spec"] for one in of_kind(manifests, "StatefulSet")]
    for one in of_kind(manifests, "RayService", "RayJob"):
        cluster = one["spec"].get("rayClusterConfig") or one["spec"]["rayClusterSpec"]
        specs += [group["template"]["spec"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]
    return specs


def ask(command: str, *asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns what `helm_tool` answers to each question."""
    python = _python()
    said = subprocess.run([python, _TOOL, command], input=json.dumps(asked), capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stderr
    answers: list[dict[str, Any]] = json.loads(said.stdout)
    return answers


@functools.cache
def _python() -> Path:
    return validator_python("helm_python")


@functools.cache
def _rendered(values: str) -> dict[str, Any]:
    (answer,) = ask("render", {"chart": str(CHART), "values": json.loads(values)})
    return answer
