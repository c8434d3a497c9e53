import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from supply_chain.rust_crates import with_crates

ROOT = Path(__file__).resolve().parents[3]
SBOM = {
    "bomFormat": "CycloneDX",
    "components": [{"bom-ref": "click==8.2.0"}],
    "dependencies": [{"ref": "click==8.2.0"}],
}


def test_every_crate_of_the_lock_file_is_a_component_with_its_checksum():
    cargo_lock = tomllib.loads((ROOT / "engine" / "Cargo.lock").read_text())
    sbom = with_crates(SBOM, cargo_lock)
    crates = {component["purl"]: component for component in sbom["components"] if "purl" in component}
    locked = [package for package in cargo_lock["package"] if "source" in package]
    assert len(crates) == len(locked) > 20
    for package in locked:
        component = crates[f"pkg:cargo/{package['name']}@{package['version']}"]
        assert component["hashes"] == [{"alg": "SHA-256", "content": package["checksum"]}]
    assert sbom["components"][0] == SBOM["components"][0]
    named = {end["ref"] for end in sbom["dependencies"]}
    assert all(on in named for end in sbom["dependencies"] for on in end.get("dependsOn", ()))


def test_crates_that_are_there_are_not_added_again():
    cargo_lock = {"package": [{"name": "a", "version": "1", "source": "registry+x", "checksum": "00"}]}
    once = with_crates(SBOM, cargo_lock)
    assert with_crates(once, cargo_lock) == once


def test_every_package_of_both_lock_files_has_a_hash():
    for name in ("requirements.lock", "supply_chain/tools.lock"):
        text = (ROOT / name).read_text()
        packages = re.findall(r"^[a-z0-9][^\n]*==.*?(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
        assert len(packages) > 30
        assert [package.split("\n")[0] for package in packages if "--hash=sha256:" not in package] == [], name


def test_the_command_changes_the_file(tmp_path):
    path = tmp_path / "sbom.json"
    path.write_text(json.dumps(SBOM))
    subprocess.run([sys.executable, "-m", "supply_chain.rust_crates", str(path)], cwd=ROOT, check=True)
    assert len(json.loads(path.read_text())["components"]) > 20
