"""Who passes the gate, and what becomes of it when the key file changes."""

import asyncio
import json
import logging
from collections.abc import Awaitable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from coordinator.access.gate import Gate
from coordinator.access.keyring import Refusal, new_key
from coordinator.access.roles import ROLES, Role
from coordinator.errors import ConfigurationError, PermissionDeniedError, UnauthenticatedError
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.api_keys import bearer, holder, write_key_file, write_keys

_T = TypeVar("_T")


def run(work: Awaitable[_T]) -> _T:
    async def scenario() -> _T:
        return await work

    return asyncio.run(scenario())


class Seen:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.denials: list[str] = []
        self.in_force: list[bool] = []

    def denied(self, reason: str) -> None:
        self.denials.append(str(reason))

    def key_file_read(self, is_in_force: bool) -> None:
        self.in_force.append(is_in_force)


def test_every_method_has_a_role_and_no_other_has() -> None:
    services = pb.DESCRIPTOR.services_by_name.values()
    assert set(ROLES) == {method.name for service in services for method in service.methods}


def test_without_a_key_file_everybody_may_ask_and_nobody_may_administer() -> None:
    gate = Gate()
    caller = gate.identify([("x-client-id", "team"), ("x-request-id", "r-1")])
    assert (caller.client_id, caller.request_id, caller.holder) == ("team", "r-1", None)
    for method, role in ROLES.items():
        if role is Role.ADMIN:
            with pytest.raises(PermissionDeniedError, match="no keys_file"):
                run(gate.permit(caller, method))
        else:
            run(gate.permit(caller, method))


def test_a_key_names_its_caller_whatever_else_that_calls_itself(tmp_path: Path) -> None:
    key = write_keys(tmp_path / "keys.yaml", "trace")
    gate = Gate(tmp_path / "keys.yaml")
    for scheme in ("Bearer ", "bearer  ", "BEARER "):
        caller = gate.identify([("X-Client-Id", "somebody-else"), ("Authorization", scheme + key)])
        assert caller.client_id == "tester"
        run(gate.permit(caller, "Trace"))


@pytest.mark.parametrize("role", list(Role))
def test_a_role_is_good_for_its_methods_and_no_others(role: Role, tmp_path: Path) -> None:
    seen = Seen()
    key = write_keys(tmp_path / "keys.yaml", role.value)
    gate = Gate(tmp_path / "keys.yaml", observer=seen)
    caller = gate.identify(bearer(key))
    for method, needed in ROLES.items():
        if needed is role:
            run(gate.permit(caller, method))
        else:
            with pytest.raises(PermissionDeniedError, match=f"{method} needs {needed}"):
                run(gate.permit(caller, method))
    with pytest.raises(PermissionDeniedError):
        run(gate.permit(caller, "Unheard"))
    assert set(seen.denials) == {"role"}


def test_a_missing_and_a_wrong_and_an_old_key_get_the_same_answer(tmp_path: Path) -> None:
    seen, key, early, late = Seen(), new_key(), new_key(), new_key()
    entry = holder([key, early, late], "trace", "admin")
    entry["secrets"][1]["not_before"] = "2030-01-01T00:00:00Z"
    entry["secrets"][2]["expires"] = "2020-01-01T00:00:00Z"
    path = write_key_file(tmp_path / "keys.yaml", entry)
    gate = Gate(path, observer=seen, clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    wrong: list[list[tuple[str, Any]]] = [
        [],
        [("authorization", "")],
        [("authorization", f"Basic {key}")],
        [("authorization", key)],
        [("authorization", b"Bearer " + key.encode())],
        [*bearer(key), *bearer(key)],
        list(bearer(new_key())),
        list(bearer(early)),
        list(bearer(late)),
        [("x-client-id", "tester")],
    ]
    answers = set()
    for metadata in wrong:
        caller = gate.identify(metadata)
        assert (caller.client_id, caller.holder) == ("", None)
        for method in ("Trace", "AddTakedowns", None):
            with pytest.raises(UnauthenticatedError) as raised:
                run(gate.permit(caller, method))
            answers.add(str(raised.value))
    assert answers == {"a valid API key is needed: send authorization: Bearer KEY"}
    assert set(seen.denials) == set(Refusal)


def test_a_new_file_counts_without_a_restart_and_a_broken_one_never(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen, path = Seen(), tmp_path / "keys.yaml"
    old, new = new_key(), new_key()
    gate = Gate(write_key_file(path, holder(old, "trace")), observer=seen)

    def is_good(key: str) -> bool:
        return gate.identify(bearer(key)).holder is not None

    async def scenario() -> None:
        write_key_file(path, holder([old, new], "trace"))
        await gate.reload()
        assert is_good(old) and is_good(new)
        write_key_file(path, holder(new, "trace"))
        await gate.reload()
        assert not is_good(old) and is_good(new)
        for break_it in (lambda: path.write_text("keys: ["), lambda: path.write_text("{}"), path.unlink):
            break_it()
            for _ in range(3):
                await gate.reload()
            assert is_good(new)
        write_key_file(path, holder(old, "trace"))
        await gate.reload()
        assert is_good(old) and not is_good(new)

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert len(caplog.records) == 3
    assert seen.in_force == [True, True, True, *[False] * 9, True]


def test_it_looks_at_the_file_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "keys.yaml"
    first = write_keys(path, "trace")

    async def scenario() -> None:
        gate = Gate(path)
        gate.watch(0.005)
        second = write_keys(path, "trace")
        async with asyncio.timeout(60):
            while gate.identify(bearer(second)).holder is None:  # noqa: ASYNC110 - there is nothing to wait for
                await asyncio.sleep(0.005)
        assert gate.identify(bearer(first)).holder is None
        await gate.close()

    asyncio.run(scenario())


def test_what_goes_wrong_at_a_look_does_not_end_the_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.yaml"
    write_keys(path, "trace")
    seen, looks = Seen(), list[int]()

    async def scenario() -> None:
        gate = Gate(path, observer=seen)
        reload = gate.reload

        async def fails_first() -> None:
            looks.append(1)
            if len(looks) == 1:
                raise RuntimeError("a bug")
            await reload()

        monkeypatch.setattr(gate, "reload", fails_first)
        gate.watch(0.005)
        async with asyncio.timeout(60):
            while len(looks) < 3:  # noqa: ASYNC110 - there is nothing to wait for
                await asyncio.sleep(0.005)
        await gate.close()

    asyncio.run(scenario())
    assert "key file not looked at" in caplog.messages
    assert seen.in_force[:3] == [True, False, True]


def test_a_key_file_with_a_fault_keeps_a_process_from_starting(tmp_path: Path) -> None:
    (tmp_path / "keys.yaml").write_text("keys: 1")
    with pytest.raises(ConfigurationError):
        Gate(tmp_path / "keys.yaml")


def test_an_admin_call_that_is_turned_away_for_its_role_is_in_the_audit_log(tmp_path: Path) -> None:
    key = write_keys(tmp_path / "keys.yaml", "trace")
    gate = Gate(tmp_path / "keys.yaml", tmp_path / "audit.log")
    for method in ("LiftTakedowns", "GetDocument"):
        with pytest.raises(PermissionDeniedError):
            run(gate.permit(gate.identify(bearer(key)), method))
    (line,) = (tmp_path / "audit.log").read_text().splitlines()
    record = json.loads(line)
    assert (record["key"], record["rpc"], record["outcome"]) == ("tester", "LiftTakedowns", "PERMISSION_DENIED")
