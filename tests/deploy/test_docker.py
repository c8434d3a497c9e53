"""The images: the Dockerfile as hadolint sees it, what each role has installed, and what goes into the build."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.deploy.validators import DEPLOY, ROOT, run, validator

DOCKER = DEPLOY / "docker"
ROLES = ("shard-server", "coordinator", "index")
# A shard server knows no Ray, no HTTP framework, and no ranking: what it is spared of pyproject.toml's dependencies.
NOT_OF_A_SHARD_SERVER = {"fastapi", "phonenumbers", "rank-bm25", "ray"}


def instructions(target: str) -> list[str]:
    """Returns the instructions of a stage, continued lines joined."""
    text = re.sub(r"\\\n\s*", "", (DOCKER / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    starts = [number for number, line in enumerate(lines) if line.startswith("FROM ")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if lines[start].endswith(f" AS {target}"):
            return lines[start:end]
    raise AssertionError(f"no stage {target}")


def with_parents(target: str) -> list[str]:
    own = instructions(target)
    parent = own[0].split()[1]
    return own if parent.startswith("$") else [*with_parents(parent), *own]


def pins(path: Path) -> set[str]:
    return {line.rstrip(" \\") for line in path.read_text().splitlines() if re.match(r"[a-z0-9.-]+==", line)}


def names_of(requirements: list[str]) -> dict[str, str]:
    return {re.split(r"[\[<>=]", line)[0]: line for line in requirements}


def test_hadolint_finds_nothing() -> None:
    found = run([validator("hadolint"), "--failure-threshold", "style", DOCKER / "Dockerfile"])
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("role", ROLES)
def test_an_image_runs_as_nobody_special_and_tells_whether_it_is_well(role: str) -> None:
    lines = with_parents(role)
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert any(line.startswith('ENTRYPOINT ["tini", "--"') for line in lines)
    assert [line for line in lines if line.startswith("HEALTHCHECK ")]
    # Programs are started as they are, with no shell between them and their signals.
    assert all(line.split(" ", 1)[1].startswith("[") for line in lines if line.startswith(("CMD ", "ENTRYPOINT ")))


def test_base_images_are_pinned_to_the_digest_and_to_the_toolchain_of_the_repository() -> None:
    text = (DOCKER / "Dockerfile").read_text()
    images = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", text, re.MULTILINE))
    assert set(images) == {"RUST_IMAGE", "PYTHON_IMAGE"}
    assert all(re.fullmatch(r"\S+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images.values())
    toolchain = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    assert f"rust:{toolchain}-" in images["RUST_IMAGE"]


def test_what_is_installed_is_what_was_tested() -> None:
    tested = {pin.split(" ")[0] for pin in pins(ROOT / "requirements.lock")}
    for lock in DOCKER.glob("*.lock"):
        installed = {pin.split(" ")[0] for pin in pins(lock)}
        assert installed
        assert installed <= tested, f"{lock}: run `make lock`"
        assert lock.read_text().count("--hash=sha256:") >= len(installed)


def test_a_shard_server_has_all_dependencies_but_those_of_others() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    all_of_them = names_of(project["project"]["dependencies"])
    lines = [line for line in (DOCKER / "shard_server.in").read_text().splitlines() if not line.startswith("#")]
    assert names_of(lines) == {name: line for name, line in all_of_them.items() if name not in NOT_OF_A_SHARD_SERVER}


def test_all_packages_of_the_wheel_go_into_the_build_and_nothing_private_does() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored[0] == "*"
    let_in = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert set(project["tool"]["maturin"]["python-packages"]) <= let_in
    assert not {"tests", "bench", ".git", ".venv", "deploy"} & let_in
