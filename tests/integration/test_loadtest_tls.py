"""The load test over TLS, with an API key: what the server sees, and that a wrong CA is not connected to."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc.aio
import pytest
from aiohttp import web

from bench.certificates import Authority
from loadtest.access import Access
from loadtest.errors import LoadTestError
from loadtest.generator import Generator
from loadtest.messages import SERVICE
from loadtest.plan import Load
from loadtest.schedule import Pace
from loadtest.workloads import Question, Texts, Workload, mix_of
from protos.coordinator.v1 import coordinator_pb2 as pb
from tests.integration.serving_thread import in_a_thread

TEXTS = Texts(conversations=(Question("Who?", "An answer."),))
KEY = "hw_secret"


@contextlib.asynccontextmanager
async def over_grpc(authority: Authority) -> AsyncIterator[str]:
    async def trace(request: pb.TraceRequest, context: grpc.aio.ServicerContext[object, object]) -> pb.TraceResponse:
        if dict(context.invocation_metadata() or ()).get("authorization") != f"Bearer {KEY}":
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key")
        return pb.TraceResponse(trace=pb.Trace(coverage=pb.Coverage(complete=True, share_searched=1.0)))

    identity = authority.issue("server", hosts=("a.test",))
    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(trace, pb.TraceRequest.FromString, pb.TraceResponse.SerializeToString)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, {"Trace": handler}),))
    pair = (identity.key.read_bytes(), identity.certificate.read_bytes())
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


@contextlib.asynccontextmanager
async def over_http(authority: Authority) -> AsyncIterator[str]:
    async def health(request: web.Request) -> web.Response:
        return web.Response()

    async def trace(request: web.Request) -> web.Response:
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return web.Response(status=401)
        return web.json_response({"coverage": {"complete": True, "share_searched": 1.0}, "cached": False})

    identity = authority.issue("server", hosts=("a.test",))
    application = web.Application()
    application.add_routes([web.get("/healthz", health), web.post("/v1/trace", trace)])
    runner = web.AppRunner(application)
    await runner.setup()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(identity.certificate, identity.key)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    [address] = runner.addresses
    yield f"127.0.0.1:{address[1]}"
    await runner.cleanup()


@pytest.fixture(params=["grpc", "http"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, str, Authority]]:
    authority = Authority(tmp_path)
    serve = over_grpc if request.param == "grpc" else over_http
    with in_a_thread(lambda: serve(authority)) as target:
        yield request.param, target, authority


def codes(access: Access) -> dict[str, int]:
    """Returns how many requests were answered, or why not."""
    mix = mix_of({Workload.CONVERSATIONS: 1}, TEXTS, 0.5)
    with Generator(Load(access, TEXTS, "run", processes=1), mix, 1) as generator:
        total = generator.run(Pace("rate", 20, 20, 0.5, 0, "constant")).total
    return {"OK": total.complete, **total.errors}


def test_the_key_is_shown_over_tls(service: tuple[str, str, Authority]) -> None:
    protocol, target, authority = service
    access = Access(target, protocol, tls=True, ca=authority.path, server_name="a.test", api_key=KEY)  # type: ignore[arg-type]
    access.check()
    assert codes(access) == {"OK": 10}


@pytest.mark.parametrize("service", ["http"], indirect=True)  # gRPC goes on trying for half a minute
def test_a_server_whose_name_is_another_is_not_put_under_load(service: tuple[str, str, Authority]) -> None:
    _, target, authority = service
    with pytest.raises(LoadTestError, match="cannot be reached"):
        codes(Access(target, "http", tls=True, ca=authority.path, server_name="b.test"))
