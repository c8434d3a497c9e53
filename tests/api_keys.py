"""Key files for tests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from coordinator.access.keyring import hash_of, new_key


def holder(key: str | Sequence[str], *roles: str, id: str = "tester", **limits: Any) -> dict[str, Any]:
    """Returns the entry of a key, or several, in a key file."""
    keys = [key] if isinstance(key, str) else key
    secrets = [{"sha256": hash_of(each).hex()} for each in keys]
    return {"id": id, "roles": list(roles), "secrets": secrets, "limits": limits}


def write_key_file(path: Path, *holders: dict[str, Any]) -> Path:
    """Writes a key file; whoever reads it at this moment sees the old one or the new one."""
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(yaml.safe_dump({"keys": list(holders)}))
    beside.replace(path)
    return path


def write_keys(path: Path, *roles: str, **limits: Any) -> str:
    """Writes a key file of one new key, and returns the key."""
    key = new_key()
    write_key_file(path, holder(key, *roles, **limits))
    return key


def bearer(key: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata, or headers, that show a key."""
    return (("authorization", f"Bearer {key}"),)
