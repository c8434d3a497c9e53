"""``python -m supply_chain.rust_crates SBOM``: adds the crates of the engine to a CycloneDX bill of materials.

The packages of Python come from a tool that knows their licences; of the crates this reads what ``Cargo.lock`` says,
the checksum of each included.
"""

import argparse
import json
import tomllib
from pathlib import Path
from typing import Any

_CARGO_LOCK = Path(__file__).resolve().parent.parent / "engine" / "Cargo.lock"
_REGISTRY = "registry+"


def main() -> None:
    """Adds the crates to the file that is named."""
    parser = argparse.ArgumentParser(prog="python -m supply_chain.rust_crates")
    parser.add_argument("sbom", type=Path, help="a CycloneDX file, JSON; it is changed")
    path: Path = parser.parse_args().sbom
    sbom = with_crates(json.loads(path.read_text(encoding="utf-8")), tomllib.loads(_CARGO_LOCK.read_text()))
    path.write_text(json.dumps(sbom, indent=2) + "\n", encoding="utf-8")


def with_crates(sbom: dict[str, Any], cargo_lock: dict[str, Any]) -> dict[str, Any]:
    """Returns the bill with a component for every crate of a registry, and what depends on what among them."""
    packages = cargo_lock["package"]
    crates = [package for package in packages if package.get("source", "").startswith(_REGISTRY)]
    known = {component["bom-ref"] for component in sbom["components"]}
    added = [component for crate in crates if (component := _component(crate))["bom-ref"] not in known]
    ends = [
        {"ref": _ref(crate), "dependsOn": sorted(_resolved(name, packages) for name in crate.get("dependencies", ()))}
        for crate in crates
        if _ref(crate) not in known
    ]
    return {
        **sbom,
        "components": [*sbom["components"], *added],
        "dependencies": [*sbom.get("dependencies", ()), *ends],
    }


def _component(crate: dict[str, Any]) -> dict[str, Any]:
    return {
        "bom-ref": _ref(crate),
        "type": "library",
        "name": crate["name"],
        "version": crate["version"],
        "purl": _ref(crate),
        "hashes": [{"alg": "SHA-256", "content": crate["checksum"]}],
    }


def _ref(crate: dict[str, Any]) -> str:
    return f"pkg:cargo/{crate['name']}@{crate['version']}"


def _resolved(dependency: str, packages: list[dict[str, Any]]) -> str:
    """Returns the crate that a line like ``name`` or, where there are several, ``name 1.2.3`` means."""
    name, _, version = dependency.partition(" ")
    return next(
        _ref(package)
        for package in packages
        if package["name"] == name and (not version or package["version"] == version.split(" ")[0])
    )


if __name__ == "__main__":
    main()
