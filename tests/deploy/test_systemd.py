"""The systemd units, as systemd itself reads them, and what it says of their confinement."""

import importlib.util
import re
import shutil
from pathlib import Path

import click
import pytest

from coordinator.__main__ import main as coordinator
from coordinator.local.front import main as front
from shard_server.__main__ import main as shard_server
from shard_server.config import ShardServerConfig
from tests.deploy.validators import DEPLOY, run, validator

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
# Of 10, less is better; systemd calls up to 2 "OK" and below 1 "SAFE".
MOST_EXPOSED = 2.0
COMMANDS: dict[str, click.Command] = {
    "shard_server": shard_server,
    "coordinator": coordinator,
    "coordinator.local.front": front,
}


def test_there_are_units() -> None:
    assert len(UNITS) == 6


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_reads_every_line_of_a_unit(unit: Path, tmp_path: Path) -> None:
    analyze = validator("systemd-analyze", package="systemd")
    own = tmp_path / "etc/systemd/system"
    own.mkdir(parents=True)
    programs = tmp_path / "opt/headwater/bin"
    programs.mkdir(parents=True)
    for program in ("python", "ray", "serve", "headwater"):
        (programs / program).write_text("#!/bin/sh\n")
        (programs / program).chmod(0o755)
    shutil.copytree("/usr/lib/systemd/system", tmp_path / "usr/lib/systemd/system", symlinks=True)
    for each in UNITS:
        shutil.copy(each, own)
    name = unit.name.replace("@.", "@pretraining-0.")
    found = run([analyze, "verify", "--man=no", "--recursive-errors=no", f"--root={tmp_path}", name])
    assert found.returncode == 0, found.stderr
    assert not found.stderr


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_is_confined(unit: Path) -> None:
    found = run([validator("systemd-analyze", package="systemd"), "security", "--offline=true", "--no-pager", unit])
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", found.stdout)
    assert exposure is not None, found.stdout + found.stderr
    assert float(exposure[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_flags_of_a_unit_exist(unit: Path) -> None:
    lines = re.sub(r"\\\n\s*", "", unit.read_text())
    for module, rest in re.findall(r"^Exec\w+=/opt/headwater/bin/python -m (\S+)(.*)$", lines, re.MULTILINE):
        known = {option for parameter in COMMANDS[module].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known


def test_a_unit_asks_ray_for_pages_that_want_no_token_only() -> None:
    asked = [path for unit in UNITS for path in re.findall(r" http://127\.0\.0\.1:8265(/\S+)", unit.read_text())]
    assert asked
    assert "RAY_AUTH_MODE=token" in (DEPLOY / "bare_metal" / "ray.env").read_text().splitlines()
    # Read, not imported: Ray's modules warn when they are. Ray has the list in a function, under no name of its own.
    ray = importlib.util.find_spec("ray")
    assert ray is not None and ray.origin is not None
    source = (Path(ray.origin).parent / "dashboard" / "http_server_head.py").read_text()
    public = re.search(r"public_exact_paths = \{(.*?)\}", source, re.DOTALL)
    assert public is not None
    assert set(asked) <= set(re.findall(r'"(/\S*)"', public[1]))


def test_a_shard_server_is_given_time_to_drain() -> None:
    fields = ShardServerConfig.model_fields
    unit = (DEPLOY / "systemd" / "headwater-shard-server@.service").read_text()
    stop = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert stop is not None
    assert int(stop[1]) > fields["drain_notice_s"].default + fields["drain_s"].default
