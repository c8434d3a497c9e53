"""Whether a server is ready: what a container's health check, a unit or a script asks."""

import http.client
import json
from typing import Any
from urllib.parse import SplitResult, urlsplit

from coordinator.errors import CoordinatorError, InvalidRequestError
from headwater.address import checked_address
from headwater.connection import Connection

# What is read of a page that says why a server is not ready; a coordinator names its lost shards there.
_MOST_PAGE_BYTES = 64 * 1024


class NotReadyError(CoordinatorError):
    """A server does not answer, or says that nothing should be sent to it; says which, and what it said."""


def check_health(target: str, connection: Connection, *, service: str = "", timeout_s: float) -> str:
    """Returns what a server that is ready says of itself, on one line.

    Args:
        target: ``host:port`` of gRPC, which is asked by ``grpc.health.v1``; or ``http://host:port[/path]`` of probes,
            where no path means ``/readyz``.
        connection: TLS of a gRPC server. Probes have none, and health needs no key.
        service: What to ask gRPC for; empty: the whole process.
        timeout_s: Time for everything, in seconds.

    Raises:
        NotReadyError: it is not ready.
        InvalidRequestError: the target is no address, or a file of ``connection`` is wrong.
    """
    if target.startswith("http://"):
        return _ask_probe(_checked_url(target), timeout_s)
    return _ask_grpc(checked_address(target), connection, service, timeout_s)


def _ask_grpc(address: str, connection: Connection, service: str, timeout_s: float) -> str:
    import grpc  # takes a tenth of a second, which probes over HTTP need not wait for
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with connection.open_channel(address, ()) as channel:
        try:
            answer: Any = health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(service=service), timeout=timeout_s, wait_for_ready=False
            )
        except grpc.RpcError as error:
            raise NotReadyError(f"{address}: {error.code().name}, {error.details()}") from error
    status: str = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    if status != "SERVING":
        raise NotReadyError(f"{address}: {status}, expected SERVING; its /readyz and its log say why")
    return f"{address}: {status}"


def _checked_url(target: str) -> SplitResult:
    url = urlsplit(target)
    try:
        is_whole = bool(url.hostname) and url.port is not None
    except ValueError:  # a port that is none
        is_whole = False
    if not is_whole or url.query or url.fragment or url.username is not None:
        raise InvalidRequestError(f"{target!r} is not the address of a probe; expected http://host:port/readyz")
    return url


def _ask_probe(url: SplitResult, timeout_s: float) -> str:
    assert url.hostname is not None
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout_s)
    try:
        connection.request("GET", url.path or "/readyz")
        response = connection.getresponse()
        page = response.read(_MOST_PAGE_BYTES).decode(errors="replace").strip()
    except (OSError, http.client.HTTPException) as error:
        raise NotReadyError(f"{url.geturl()}: no answer ({error})") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        raise NotReadyError(f"{url.geturl()}: HTTP {response.status}, expected 200; it says {_reason(page)}")
    return f"{url.geturl()}: HTTP {response.status}"


def _reason(page: str) -> str:
    try:
        found = json.loads(page)
    except ValueError:
        return page or "nothing"
    return str(found["reason"]) if isinstance(found, dict) and "reason" in found else page
