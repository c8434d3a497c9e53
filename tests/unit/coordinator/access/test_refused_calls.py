"""Refused admin calls in the audit log: none is lost, and many are few records."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator.access.audit_log import AdminCall, AuditLog
from coordinator.access.gate import Gate
from coordinator.access.refused_calls import RefusedCalls
from coordinator.errors import PermissionDeniedError
from tests.api_keys import bearer, write_keys


def call(number: int, holder: str = "a", rpc: str = "AddTakedowns") -> AdminCall:
    return AdminCall(f"r-{number}", holder, rpc, "PERMISSION_DENIED")


def records(path: Path) -> list[tuple[Any, ...]]:
    found = map(json.loads, path.read_text().splitlines())
    return [(one["request_id"], one["key"], one["rpc"], one.get("calls", 1)) for one in found]


def written(tmp_path: Path, work: Callable[[RefusedCalls, list[float]], Awaitable[None]]) -> list[tuple[Any, ...]]:
    async def run() -> None:
        now = [0.0]
        refused = RefusedCalls(AuditLog(tmp_path / "audit.log"), clock=lambda: now[0])
        await work(refused, now)
        await refused.close()

    asyncio.run(run())
    return records(tmp_path / "audit.log")


def test_the_first_is_written_at_once_and_the_others_as_one(tmp_path: Path) -> None:
    async def work(refused: RefusedCalls, now: list[float]) -> None:
        for number in range(100):
            await refused.note(call(number))
            await refused.note(call(number, "b"))
        assert len(records(tmp_path / "audit.log")) == 2
        await refused.note(call(100, rpc="ListTakedowns"))

    assert written(tmp_path, work) == [
        ("r-0", "a", "AddTakedowns", 1),
        ("r-0", "b", "AddTakedowns", 1),
        ("r-100", "a", "ListTakedowns", 1),
        ("r-99", "a", "AddTakedowns", 99),
        ("r-99", "b", "AddTakedowns", 99),
    ]


def test_what_goes_on_is_summed_up_each_minute(tmp_path: Path) -> None:
    async def work(refused: RefusedCalls, now: list[float]) -> None:
        for number in range(180):
            now[0] = float(number)
            await refused.note(call(number))

    assert [(id_, calls) for id_, _, _, calls in written(tmp_path, work)] == [
        ("r-0", 1),
        ("r-59", 59),
        ("r-60", 1),
        ("r-119", 59),
        ("r-120", 1),
        ("r-179", 59),
    ]


def test_what_ends_is_summed_up_by_itself(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "audit.log"
        refused = RefusedCalls(AuditLog(path), sum_s=0.05)
        for number in range(3):
            await refused.note(call(number))
        async with asyncio.timeout(60):
            while len(records(path)) < 2:  # noqa: ASYNC110 - there is nothing to wait for
                await asyncio.sleep(0.01)
        assert records(path)[1] == ("r-2", "a", "AddTakedowns", 2)
        await refused.close()

    asyncio.run(run())


def test_a_key_without_the_role_cannot_fill_the_audit_log(tmp_path: Path) -> None:
    async def run() -> None:
        key = write_keys(tmp_path / "keys.yaml", "trace")
        gate = Gate(tmp_path / "keys.yaml", tmp_path / "audit.log")
        for _ in range(1_000):
            with pytest.raises(PermissionDeniedError):
                await gate.permit(gate.identify(bearer(key)), "AddTakedowns")
        await gate.close()

    asyncio.run(run())
    assert [calls for *_, calls in records(tmp_path / "audit.log")] == [1, 999]
