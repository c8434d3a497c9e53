"""Runs in the environment of the validators, where Helm and Kubernetes' schemas are: a JSON list in, one as long out.

``render`` makes {manifests} or {refused} of each {chart, values}, ``lint`` {messages}; ``validate`` makes {faults} of
each {manifests, version}, one for each manifest that is not what Kubernetes takes.
"""

import json
import sys
from typing import Any

import helm_python
import kubernetes_validate
import yaml


def _render(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        with helm_python.Chart.load(asked["chart"]) as chart:
            files = chart.render(asked["values"], name="hw", namespace="prod")
    except helm_python.HelmError as error:
        return {"refused": str(error)}
    texts = [text for name, text in files.items() if name.endswith(".yaml")]
    return {"manifests": [one for text in texts for one in yaml.safe_load_all(text) if one]}


def _lint(asked: dict[str, Any]) -> dict[str, Any]:
    return {"messages": helm_python.lint(asked["chart"], asked["values"], strict=True)["messages"]}


def _validate(asked: dict[str, Any]) -> dict[str, Any]:
    faults = []
    for manifest in asked["manifests"]:
        try:
            kubernetes_validate.validate(manifest, asked["version"], strict=True)
        except kubernetes_validate.ValidationError as error:
            faults.append(f"{manifest['kind']} {manifest['metadata']['name']}: {error.message}")
    return {"faults": faults}


if __name__ == "__main__":
    command = {"render": _render, "lint": _lint, "validate": _validate}[sys.argv[1]]
    json.dump([command(asked) for asked in json.load(sys.stdin)], sys.stdout)
