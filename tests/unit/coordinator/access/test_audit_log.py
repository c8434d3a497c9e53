import asyncio
import hashlib
import json
import os
from datetime import datetime
from pathlib import Path

import pytest

from coordinator.access.audit_log import AdminCall, AuditLog
from coordinator.access.takedown_record import TakedownsInForce, named
from coordinator.errors import ConfigurationError
from coordinator.takedown_list import NO_TAKEDOWNS, KeptTakedown, TakedownList
from index_format.takedowns import ContentTarget, DocumentTarget, DomainTarget, UrlTarget

CALL = AdminCall("r-1", "ops", "AddTakedowns", "OK", ("t1",), (("url", "https://example.org/secret"), ("source", "x")))


def test_a_record_holds_ids_and_hashes_and_no_target(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    asyncio.run(AuditLog(path).write(CALL))
    text = path.read_text()
    assert "example" not in text
    record = json.loads(text)
    assert datetime.fromisoformat(record.pop("time")).tzinfo is not None
    assert record == {
        "request_id": "r-1",
        "key": "ops",
        "rpc": "AddTakedowns",
        "outcome": "OK",
        "takedowns": ["t1"],
        "targets": [
            {"kind": "url", "sha256": hashlib.sha256(b"https://example.org/secret").hexdigest()},
            {"kind": "source", "sha256": hashlib.sha256(b"x").hexdigest()},
        ],
    }


def test_what_comes_into_force_is_told_by_ids_hashes_and_reasons(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    content = ContentTarget("ab" * 32, 7)
    kept = KeptTakedown("doc", DocumentTarget("1f2e", 0, 5, content), ("pre",), "request 17")
    url, other = KeptTakedown("u", UrlTarget("HTTP://x.Org:80/secret")), KeptTakedown("d", DomainTarget("b.org"))
    before, after = TakedownList(3, (other, url)), TakedownList(4, (kept, url))
    asyncio.run(AuditLog(path).write_in_force(TakedownsInForce(after, before, 4, 3, 9)))
    asyncio.run(AuditLog(path).write_in_force(TakedownsInForce(before, None, 4, 4, 9)))
    assert "secret" not in path.read_text()
    changed, started = map(json.loads, path.read_text().splitlines())
    del changed["time"], started["time"]
    hashed = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("1f2e:0:5", "b.org")}
    document = {"id": "doc", "kind": "document", "sha256": hashed["1f2e:0:5"], "content_sha256": "ab" * 32}
    assert changed == {
        "event": "takedowns in force",
        "epoch": 4,
        "takedowns": 2,
        "replicas": 4,
        "obeying": 3,
        "withheld_documents": 9,
        "added": [{**document, "reason": "request 17"}],
        "ended": [{"id": "d", "kind": "domain", "sha256": hashed["b.org"]}],
    }
    assert (started["epoch"], "added" in started) == (3, False)
    many = TakedownList(5, tuple(KeptTakedown(f"t{number}", UrlTarget("u")) for number in range(1_500)))
    assert TakedownsInForce(many, NO_TAKEDOWNS, 1, 1, 0).as_fields()["not_named"] == 500
    spellings = ("http://x.org/secret", "HTTP://me@X.org.:80/secret#part")
    assert len({named(KeptTakedown("u", UrlTarget(url)))["sha256"] for url in spellings}) == 1


def test_only_its_owner_reads_it_and_it_is_only_added_to(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog(path)
    assert path.stat().st_mode & 0o777 == 0o600

    async def scenario() -> None:
        await asyncio.gather(*(log.write(CALL) for _ in range(20)))
        path.rename(tmp_path / "audit.log.1")
        await log.write(CALL)

    asyncio.run(scenario())
    lines = (tmp_path / "audit.log.1").read_text().splitlines()
    assert len([json.loads(line) for line in lines]) == 20
    assert len(path.read_text().splitlines()) == 1


def test_a_record_is_synced_before_the_call_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    asyncio.run(AuditLog(tmp_path / "audit.log").write(CALL))
    assert len(synced) == 1


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write the audit log"):
        AuditLog(tmp_path / "none" / "audit.log")
    log = AuditLog(tmp_path / "audit.log")
    (tmp_path / "audit.log").unlink()
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="cannot write the audit log"):
        asyncio.run(log.write(CALL))
    with pytest.raises(ConfigurationError, match="cannot write the audit log"):
        asyncio.run(log.check())
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_file_the_log_has_it(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        asyncio.run(AuditLog(None).write(CALL))
    assert [record.message for record in caplog.records] == ["admin call"]
