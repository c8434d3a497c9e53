"""A coordinator over a shard server, both in this process, called as an ASGI server calls it."""

from pathlib import Path
from typing import Any

import yaml

from coordinator.api.http_api import create_api
from coordinator.config import CoordinatorConfig
from coordinator.service import Coordinator
from shard_server.config import ShardServerConfig
from shard_server.server import serving
from shard_server.shards import open_shards


class AsgiClient:
    """Sends requests to an ASGI application."""

    def __init__(self, application: Any, held: tuple[Any, ...] = ()):
        """``held`` is what must live as long."""
        self._application = application
        self._held = held

    async def answer(self, line: bytes, body: bytes, key: str = "") -> tuple[int, bytes]:
        """Returns status and body of the answer to ``METHOD PATH?QUERY`` with a body of JSON."""
        method, _, target = line.partition(b" ")
        raw_path, _, query = target.partition(b"?")
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        if key:
            headers.append((b"authorization", b"Bearer " + key.encode()))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method.decode("latin-1") or "GET",
            "scheme": "http",
            "path": raw_path.decode("latin-1") or "/",
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        status, content = 0, b""
        unread = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            return unread.pop() if unread else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, content
            if message["type"] == "http.response.start":
                status = message["status"]
            content += message.get("body", b"")

        await self._application(scope, receive, send)
        return status, content


async def served_coordinator(index: Path, folder: Path) -> AsgiClient:
    """Returns a client of a coordinator over one server of all shards of an index; both live as long as the process."""
    config = ShardServerConfig(index=index, listen="127.0.0.1:0", search_threads=1)
    shards = open_shards(config)
    server = serving(config, shards)
    address = await server.__aenter__()
    places = [{"shard": number, "replicas": [address]} for number in shards.by_number]
    cluster_file = folder / "cluster.yaml"
    cluster_file.write_text(yaml.safe_dump({"corpora": [{"name": "default", "index": str(index), "shards": places}]}))
    coordinator = await Coordinator.open(CoordinatorConfig(cluster_file=cluster_file, reload_interval_s=0))
    application = create_api(lambda: coordinator, lambda: 1 << 20)
    return AsgiClient(application, (server, coordinator))
