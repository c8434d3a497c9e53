"""The scripts of the chart's init containers, run: what they bring is what the next container opens."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from index_format.manifest import IndexManifest
from runtime.settings import load_settings
from shard_server.config import ENVIRONMENT_PREFIX, ShardServerConfig
from shard_server.shards import open_shards
from tests.deploy.helm_chart import example, of_kind, pod_specs, render
from tests.tiny_index import write_index

Run = Callable[[str, dict[str, str]], subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a script with the folders of the container below ``tmp_path``, and our commands on the path."""
    write_index(tmp_path / "srv/source/demo", [["one day"], ["two days"], ["three days"]])

    def run(script: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        script = script.replace("/srv/", f"{tmp_path}/srv/").replace("/etc/headwater/", f"{tmp_path}/etc/")
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        command = ["/bin/sh", "-ec", script]
        return subprocess.run(
            command, env={"PATH": path, **environment}, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_a_server_brings_its_shards_once_and_opens_them(tmp_path: Path, run: Run) -> None:
    manifests = render(example("laptop"))
    data = _config_map(manifests, "hw-demo-a")
    (tmp_path / "etc/settings").mkdir(parents=True)
    for name, text in data.items():
        (tmp_path / "etc/settings" / name).write_text(text)
    script = _container(manifests, "pull")["args"][0]
    url = str(tmp_path / "srv/source/demo")
    own = tmp_path / "srv/data/pod-1"
    environment = {"SERVER": "1", "FOLDER": "pod-1", "URL": url}
    for _ in range(2):
        done = run(script, environment)
        assert done.returncode == 0, done.stderr
    flags = {"index": str(own / "index"), "state_dir": str(own / "state")}
    settings = tmp_path / "etc/settings/1.yaml"
    config = load_settings(ShardServerConfig, ENVIRONMENT_PREFIX, flags=flags, config_file=settings)
    assert set(open_shards(config).by_number) == {2}


def test_coordinators_bring_manifests_and_wait_for_those_of_the_served_generation_only(
    tmp_path: Path, run: Run
) -> None:
    script = _container(render(example("laptop")), "indexes")["args"][0]
    (tmp_path / "etc/cluster").mkdir(parents=True)
    lines = tmp_path / "etc/cluster/indexes"
    served, waiting = tmp_path / "srv/indexes/demo/a", tmp_path / "srv/indexes/demo/b"

    lines.write_text(f"{served} {tmp_path}/srv/source/demo active\n{waiting} {tmp_path}/srv/source/later waiting\n")
    done = run(script, {})
    assert done.returncode == 0, done.stderr
    assert IndexManifest.load(served).num_shards == 3
    assert not (waiting / "index.json").exists()

    lines.write_text(f"{waiting} {tmp_path}/srv/source/later active\n")
    assert run(script, {}).returncode != 0


def test_the_watcher_of_indexes_ends_at_once_when_it_is_told(tmp_path: Path) -> None:
    script = _container(render(example("laptop")), "indexes-watch")["args"][0]
    script = script.replace("sleep 10;", "echo begun; sleep 10;")
    process = subprocess.Popen(["/bin/sh", "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        process.terminate()
        # Its sleep lasts 10 s; without a trap the status would be that of the signal, which the first process of a
        # container does not get.
        assert process.wait(8) == 0
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def _container(manifests: list[dict[str, Any]], name: str) -> dict[str, Any]:
    specs = pod_specs(manifests)
    (found,) = [one for spec in specs for one in spec.get("initContainers", ()) if one["name"] == name]
    return found


def _config_map(manifests: list[dict[str, Any]], name: str) -> dict[str, str]:
    (found,) = [one for one in of_kind(manifests, "ConfigMap") if one["metadata"]["name"] == name]
    data: dict[str, str] = found["data"]
    assert yaml.safe_load(data["0.yaml"])["shards"]
    return data
