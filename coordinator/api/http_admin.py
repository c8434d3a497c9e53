"""The admin calls over HTTP. The edge has asked the gate for them already, as for all paths."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.responses import Response

from coordinator.api.administration import Administration
from coordinator.api.http_answers import json_response
from coordinator.api.http_models import TimeoutMs
from coordinator.api.takedown_bodies import AddTakedownsBody, LiftTakedownsBody, PreviewTakedownBody
from coordinator.service import Coordinator


def add_admin_calls(api: FastAPI, coordinator: Callable[[], Coordinator]) -> None:
    """Adds the routes."""

    def admin() -> Administration:
        return Administration(coordinator())

    @api.post("/v1/takedowns")
    async def add_takedowns(body: AddTakedownsBody) -> Response:
        """Takes documents out of everything that is served; answers once every replica that can be reached obeys."""
        return await json_response(
            await admin().add_takedowns([each.to_takedown() for each in body.takedowns], body.timeout_ms)
        )

    @api.get("/v1/takedowns")
    async def list_takedowns(timeout_ms: TimeoutMs = 0) -> Response:
        """Returns the takedowns in force, and how far the replicas are."""
        return await json_response(await admin().list_takedowns(timeout_ms))

    @api.post("/v1/takedowns/lift")
    async def lift_takedowns(body: LiftTakedownsBody) -> Response:
        """Ends takedowns."""
        return await json_response(await admin().lift_takedowns(body.ids, body.timeout_ms))

    @api.post("/v1/takedowns/preview")
    async def preview_takedown(body: PreviewTakedownBody) -> Response:
        """Returns the documents that a takedown would concern, and near copies of them. Changes nothing."""
        takedown = body.takedown.to_takedown()
        found = await admin().preview_takedown(takedown, body.max_documents, body.min_copied_share, body.timeout_ms)
        return await json_response(found)
