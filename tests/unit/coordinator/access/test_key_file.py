import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from coordinator.access.key_file import parse_key_file, read_key_file
from coordinator.access.keyring import Keyring, Limits, hash_of, new_key
from coordinator.access.roles import Role
from coordinator.errors import ConfigurationError
from tests.api_keys import holder

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HASH = "0" * 64


def parse(raw: Any) -> Keyring:
    return parse_key_file(yaml.safe_dump(raw).encode(), Path("keys.yaml"))


def test_a_key_file_may_be_yaml_or_json() -> None:
    key = new_key()
    raw = {"keys": [holder(key, "trace", "admin", id="ops", tokens_per_s=10, document_bytes_per_day=5)]}
    for content in (yaml.safe_dump(raw), json.dumps(raw)):
        found = parse_key_file(content.encode(), Path("keys")).find(key, NOW)
        assert not isinstance(found, str)
        assert (found.id, found.roles) == ("ops", {Role.TRACE, Role.ADMIN})
        assert found.limits == Limits(tokens_per_s=10, document_bytes_per_day=5)


def test_two_keys_of_one_holder_are_good_at_a_time() -> None:
    old, new = new_key(), new_key()
    ring = parse({"keys": [holder([old, new], "trace")]})
    assert ring.find(old, NOW) is ring.find(new, NOW)


def test_times_are_read_with_their_zone() -> None:
    key = new_key()
    content = f"""
keys:
  - id: a
    roles: [trace]
    secrets:
      - sha256: "{hash_of(key).hex()}"
        not_before: 2026-11-22T00:00:00Z
        expires: "2026-11-22T02:00:00+01:00"
"""
    ring = parse_key_file(content.encode(), Path("k"))
    assert not isinstance(ring.find(key, NOW), str)
    assert ring.find(key, NOW.replace(hour=1)) == "expired_key"


FAULTS = [
    (None, "valid dictionary"),
    ({}, "keys: Field required"),
    ({"keys": [], "more": 1}, "more: Extra inputs"),
    ({"keys": [{**holder(new_key(), "trace"), "roles": ["root"]}]}, "'trace', 'read-document' or 'admin'"),
    ({"keys": [{**holder(new_key(), "trace"), "roles": []}]}, "keys.0.roles"),
    ({"keys": [{**holder(new_key(), "trace"), "secrets": []}]}, "keys.0.secrets"),
    ({"keys": [{**holder(new_key(), "trace"), "id": "a b"}]}, "keys.0.id"),
    ({"keys": [{"id": "a", "roles": ["trace"], "secrets": [{"sha256": HASH[:-1]}]}]}, "should match pattern"),
    (
        {"keys": [{"id": "a", "roles": ["trace"], "secrets": [{"sha256": HASH, "expires": "2026-01-01T00:00:00"}]}]},
        "timez",
    ),
    ({"keys": [holder(new_key(), "trace"), holder(new_key(), "trace")]}, "several secrets"),
    ({"keys": [holder(["x", "x"], "trace")]}, "twice"),
    ({"keys": [holder(new_key(), "trace", tokens_per_s=-1)]}, "limits.tokens_per_s"),
    ({"keys": [holder(new_key(), "trace", tokens_per_s=float("nan"))]}, "limits.tokens_per_s"),
]


@pytest.mark.parametrize(("raw", "told"), FAULTS)
def test_a_fault_is_told_with_its_place(raw: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"keys\.yaml.*{told}"):
        parse(raw)


@pytest.mark.parametrize(
    "content", [b"keys: [", b"\xff", b"[" * 5000, b"keys: !!python/object:os.system x", b"a: 2026-99-99", b"keys: *a"]
)
def test_what_is_not_yaml_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        parse_key_file(content, Path("keys.yaml"))


def test_a_key_that_stands_where_its_hash_belongs_is_not_told() -> None:
    key = new_key()
    wrong: list[Any] = [
        {"keys": [{"id": "a", "roles": ["trace"], "secrets": [{"sha256": key}]}]},
        {"keys": [{"id": "a", "roles": ["trace"], "secrets": [{key: 1}]}]},
        {"keys": [{"id": "a", "roles": [key], "secrets": [{"sha256": HASH}]}]},
        {"keys": key},
        key,
    ]
    for raw in wrong:
        with pytest.raises(ConfigurationError) as raised:
            parse(raw)
        assert key not in str(raised.value)
    with pytest.raises(ConfigurationError) as raised:
        parse_key_file(f"keys: [{key}".encode(), Path("keys.yaml"))
    assert key not in str(raised.value)


def test_a_file_that_anybody_may_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("keys: []")
    path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="chmod o-w"):
        read_key_file(path)
    path.chmod(0o644)
    assert read_key_file(path) == b"keys: []"
    with pytest.raises(ConfigurationError, match="No such file"):
        read_key_file(tmp_path / "none.yaml")
