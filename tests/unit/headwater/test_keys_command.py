import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from coordinator.access.key_file import parse_key_file
from coordinator.access.keyring import KeyHolder
from coordinator.access.roles import Role
from headwater.cli import cli

NEW = ["keys", "new", "--id", "chat", "--roles"]


def test_a_new_key_is_shown_once_and_its_entry_makes_it_good(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("keys:\n")
    keys = []
    for id, more in (("chat", []), ("ops", ["--days", "30", "--comment", 'for "ops": all']), ("no", [])):
        result = CliRunner().invoke(cli, ["keys", "new", "--id", id, "--roles", "trace, read-document", *more])
        assert result.exit_code == 0, result.output
        (key,) = re.findall(r"hw_\S+", result.stderr)
        keys.append(key)
        assert key not in result.stdout
        assert hashlib.sha256(key.encode()).hexdigest() in result.stdout
        path.write_text(path.read_text() + result.stdout)
    ring = parse_key_file(path.read_bytes(), path)
    now = datetime.now(UTC)
    for key, id in zip(keys, ("chat", "ops", "no"), strict=True):
        assert ring.find(key, now) == KeyHolder(id, frozenset({Role.TRACE, Role.READ_DOCUMENT}))
    assert ring.find(keys[1], now + timedelta(days=31)) == "expired_key"
    checked = CliRunner().invoke(cli, ["keys", "check", str(path)])
    assert checked.stdout == f"{path}: 3 keys\n"


@pytest.mark.parametrize("roles", ["root", "", ",", "trace,root"])
def test_a_role_that_there_is_not_is_refused(roles: str) -> None:
    result = CliRunner().invoke(cli, [*NEW, roles])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected trace, read-document, admin" in result.stderr


def test_an_id_that_logs_could_not_show_is_refused() -> None:
    result = CliRunner().invoke(cli, ["keys", "new", "--id", "a b", "--roles", "trace"])
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_file_with_a_fault_is_told(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text("keys: 5")
    result = CliRunner().invoke(cli, ["keys", "check", str(path)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert "keys.yaml: keys" in result.stderr
