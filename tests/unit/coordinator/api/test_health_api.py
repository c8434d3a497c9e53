"""Health over gRPC, asked without a server."""

import asyncio
from contextlib import aclosing
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2 as pb

from coordinator.api.health_api import HealthApi
from coordinator.readiness import Readiness

SERVICE = "protos.coordinator.v1.CoordinatorService"


class Coordinator:
    def __init__(self) -> None:
        self.ready = True

    def readiness(self) -> Readiness:
        return Readiness(self.ready)


class Context:
    def __init__(self) -> None:
        self.code = grpc.StatusCode.OK
        self.details = ""

    def set_code(self, code: grpc.StatusCode) -> None:
        self.code = code

    def set_details(self, details: str) -> None:
        self.details = details


@pytest.mark.parametrize("service", ["", SERVICE])
def test_check_says_whether_the_coordinator_is_ready(service: str) -> None:
    coordinator = Coordinator()

    def check() -> int:
        request = pb.HealthCheckRequest(service=service)
        return asyncio.run(HealthApi(coordinator).Check(request, Context())).status  # type: ignore[arg-type]

    assert check() == pb.HealthCheckResponse.SERVING
    coordinator.ready = False
    assert check() == pb.HealthCheckResponse.NOT_SERVING


def test_list_names_the_process_and_its_service() -> None:
    response = asyncio.run(HealthApi(Coordinator()).List(pb.HealthListRequest(), Context()))  # type: ignore[arg-type]
    found = {name: each.status for name, each in response.statuses.items()}
    assert found == dict.fromkeys(("", SERVICE), pb.HealthCheckResponse.SERVING)


def test_check_does_not_know_other_services() -> None:
    context = Context()
    asyncio.run(HealthApi(Coordinator()).Check(pb.HealthCheckRequest(service="other"), context))  # type: ignore[arg-type]
    assert context.code is grpc.StatusCode.NOT_FOUND
    assert SERVICE in context.details


def test_watch_says_it_at_once_and_again_only_when_it_changes() -> None:
    coordinator = Coordinator()

    async def run() -> list[int]:
        api = HealthApi(coordinator, look_every_s=0.001)
        seen = []
        async with aclosing(api.Watch(pb.HealthCheckRequest(), Context())) as states:  # type: ignore[arg-type]
            async for state in states:
                seen.append(state.status)
                if len(seen) == 3:
                    break
                coordinator.ready = not coordinator.ready
        return seen

    states: Any = pb.HealthCheckResponse
    assert asyncio.run(run()) == [states.SERVING, states.NOT_SERVING, states.SERVING]


def test_no_more_watch_at_once_than_allowed_and_one_that_leaves_makes_room() -> None:
    async def run() -> None:
        api, refused = HealthApi(Coordinator(), max_watches=1), Context()
        first = api.Watch(pb.HealthCheckRequest(), Context())  # type: ignore[arg-type]
        await anext(first)
        second = [each async for each in api.Watch(pb.HealthCheckRequest(), refused)]  # type: ignore[arg-type]
        assert (second, refused.code) == ([], grpc.StatusCode.RESOURCE_EXHAUSTED)
        await first.aclose()
        async with aclosing(api.Watch(pb.HealthCheckRequest(), Context())) as third:  # type: ignore[arg-type]
            assert (await anext(third)).status == pb.HealthCheckResponse.SERVING

    asyncio.run(run())


def test_watch_of_another_service_says_that_it_is_unknown_and_stays_open() -> None:
    async def run() -> int:
        states = HealthApi(Coordinator()).Watch(pb.HealthCheckRequest(service="other"), Context())  # type: ignore[arg-type]
        first = await anext(states)
        waiting = asyncio.create_task(anext(states))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        return first.status

    assert asyncio.run(run()) == pb.HealthCheckResponse.SERVICE_UNKNOWN
