"""Where the validators of deploy/ are: `make deploy-check` installs them, `make test` takes what is there."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
_TOOLS = ROOT / ".validators" / "bin"
_MUST_BE_THERE = "HEADWATER_DEPLOY_CHECK"


def validator(name: str, package: str = "") -> Path:
    """Returns the path of a validator, of `.validators` or of the system.

    Where it is missing the test is skipped, but under `make deploy-check` it fails. One that comes with a ``package``
    of Debian's skips there too: not every machine has those.
    """
    own = _TOOLS / name
    found = own if own.exists() else shutil.which(name)
    if found is not None:
        return Path(found)
    if package:
        pytest.skip(f"needs {name}; on Debian it comes with the package {package}")
    if os.environ.get(_MUST_BE_THERE):
        pytest.fail(f"{name} is not in {_TOOLS}; is it in deploy/validators.in?")
    pytest.skip(f"needs {name}; `make deploy-check` installs it and runs this test")


def validator_python(module: str) -> Path:
    """Returns the Python of `.validators`, for validators that are modules; skips or fails without ``module``."""
    python = validator("python3")
    if python.parent != _TOOLS or subprocess.run([python, "-c", f"import {module}"], capture_output=True).returncode:
        if os.environ.get(_MUST_BE_THERE):
            pytest.fail(f"{module} is not in {_TOOLS}; is it in deploy/validators.in?")
        pytest.skip(f"needs {module}; `make deploy-check` installs it and runs this test")
    return python


def run(command: list[str | Path], **options: object) -> subprocess.CompletedProcess[str]:
    """Runs a validator and returns what it said; whoever calls looks at the status."""
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=110, **options)  # type: ignore[call-overload, no-any-return]
