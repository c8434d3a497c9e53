"""The Ray Serve application: gRPC and HTTP/JSON in front of one `Coordinator` a replica.

On a cluster, ``serve deploy`` a config file with import path ``coordinator.app:build`` and the fields of
`CoordinatorConfig` as its ``args``; on one machine, `run_locally`. The only file that imports Ray, but for the hook
that keeps Serve's ports to one machine.
"""

import contextlib
import logging
import sys
import weakref
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import ray
from fastapi import FastAPI
from grpc_health.v1 import health_pb2
from ray import serve
from ray.serve.config import HTTPOptions, gRPCOptions
from ray.serve.schema import LoggingConfig

from coordinator.api import grpc_service
from coordinator.api.grpc_api import GrpcApi
from coordinator.api.grpc_call import RpcContext
from coordinator.api.health_api import HealthApi
from coordinator.api.http_api import create_api
from coordinator.config import SERVICER_FUNCTIONS, CoordinatorConfig
from coordinator.errors import ConfigurationError, CoordinatorError
from coordinator.local.child_processes import end_descendants
from coordinator.local.loopback import SETUP_HOOK, bound_requests
from coordinator.process import CoordinatorProcess
from protos.coordinator.v1 import coordinator_pb2 as pb

APPLICATION = "headwater"
# How soon a replica that is gone is noticed, and one that does not answer any more is replaced.
_HEALTH_CHECK_PERIOD_S = 1.0
_HEALTH_CHECK_TIMEOUT_S = 10.0
_RAY_STARTS = 2
_SECONDS_TO_END = 3.0
# Ray replaces 127.0.0.1 by the machine's outward address; this one it takes for what it is, a loopback address.
_NODE_ADDRESS = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"


# Serve makes the gRPC server of a replica and keeps it to itself; this is how it can be looked after.
_grpc_servers: "weakref.WeakSet[Any]" = weakref.WeakSet()


def add_coordinator_to_server(servicer: Any, server: Any) -> None:
    """Registers both services with a gRPC server. Serve calls it by name."""
    grpc_service.add_coordinator_to_server(servicer, server)
    _grpc_servers.add(server)


def _replica() -> Any:
    return serve.get_replica_context().servable_object


def _build_api() -> FastAPI:
    return create_api(
        lambda: _replica().process.coordinator,
        lambda: _replica().process.config.max_body_bytes,
        echoes_request_id=False,  # Serve does
    )


@serve.deployment(name="coordinator")
@serve.ingress(_build_api)
class CoordinatorDeployment:
    """A shell round `CoordinatorProcess`: HTTP by the application of `create_api`, gRPC by the methods here."""

    async def __init__(self, config: CoordinatorConfig) -> None:  # type: ignore[misc]  # Serve awaits it
        bound_requests(config.max_body_bytes)  # the replica's gRPC server is made after this
        self.process = await CoordinatorProcess.start(config)
        self._grpc = GrpcApi(self.process.coordinator, config.max_body_bytes)
        self._health = HealthApi(self.process.coordinator)

    async def check_health(self) -> None:
        """Raises when this replica has to be replaced. Serve asks from time to time; no answer is one too."""
        self.process.check()
        if not all(server._server.is_running() for server in _grpc_servers):
            raise RuntimeError("the gRPC server has ended; a call whose method is not UTF-8 does that")

    async def __del__(self) -> None:
        """Ends what the replica has open; Serve calls it once the last request is answered."""
        await self.process.close()

    async def Trace(self, request: pb.TraceRequest, grpc_context: RpcContext) -> pb.TraceResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.Trace(request, grpc_context)

    async def TraceStream(
        self, request: pb.TraceStreamRequest, grpc_context: RpcContext
    ) -> AsyncGenerator[pb.TraceStreamResponse, None]:
        """See protos/coordinator/v1."""
        async with aclosing(self._grpc.TraceStream(request, grpc_context)) as responses:
            async for response in responses:
                yield response

    async def Count(self, request: pb.CountRequest, grpc_context: RpcContext) -> pb.CountResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.Count(request, grpc_context)

    async def GetDocument(self, request: pb.GetDocumentRequest, grpc_context: RpcContext) -> pb.GetDocumentResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.GetDocument(request, grpc_context)

    async def Describe(self, request: pb.DescribeRequest, grpc_context: RpcContext) -> pb.DescribeResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.Describe(request, grpc_context)

    async def AddTakedowns(self, request: pb.AddTakedownsRequest, grpc_context: RpcContext) -> pb.AddTakedownsResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.AddTakedowns(request, grpc_context)

    async def LiftTakedowns(
        self, request: pb.LiftTakedownsRequest, grpc_context: RpcContext
    ) -> pb.LiftTakedownsResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.LiftTakedowns(request, grpc_context)

    async def ListTakedowns(
        self, request: pb.ListTakedownsRequest, grpc_context: RpcContext
    ) -> pb.ListTakedownsResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.ListTakedowns(request, grpc_context)

    async def PreviewTakedown(
        self, request: pb.PreviewTakedownRequest, grpc_context: RpcContext
    ) -> pb.PreviewTakedownResponse:
        """See protos/coordinator/v1."""
        return await self._grpc.PreviewTakedown(request, grpc_context)

    async def Check(self, request: health_pb2.HealthCheckRequest, grpc_context: RpcContext) -> Any:
        """See grpc.health.v1."""
        return await self._health.Check(request, grpc_context)

    async def List(self, request: health_pb2.HealthListRequest, grpc_context: RpcContext) -> Any:
        """See grpc.health.v1."""
        return await self._health.List(request, grpc_context)

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, grpc_context: RpcContext
    ) -> AsyncGenerator[Any, None]:
        """See grpc.health.v1."""
        async with aclosing(self._health.Watch(request, grpc_context)) as responses:
            async for response in responses:
                yield response


def build(args: CoordinatorConfig) -> serve.Application:
    """Returns the application for a cluster; Serve calls it with the ``args`` of its config file.

    Raises:
        ConfigurationError: whoever reaches the cluster could ask, and nobody has said so.
    """
    if args.keys_file is None and not args.insecure_public:
        raise ConfigurationError(
            "no keys_file: on a cluster Serve's replicas listen on every interface, and whoever reaches one could ask; "
            "give keys_file, or set insecure_public if something else keeps others out"
        )
    return _application(args)


def _application(args: CoordinatorConfig) -> serve.Application:
    deployment: Any = CoordinatorDeployment  # the decorators have made a Deployment of it
    application: serve.Application = deployment.options(
        num_replicas=args.num_replicas,
        # The replica's own queue decides, which knows deadlines; these are only the last fence round it.
        max_ongoing_requests=args.max_held_requests,
        max_queued_requests=args.max_held_requests,
        health_check_period_s=_HEALTH_CHECK_PERIOD_S,
        health_check_timeout_s=_HEALTH_CHECK_TIMEOUT_S,
        # The replica logs each request itself.
        logging_config=LoggingConfig(enable_access_log=False),
    ).bind(args)
    return application


@contextlib.contextmanager
def run_locally(
    config: CoordinatorConfig, *, host: str, grpc_port: int, http_port: int, temp_dir: str
) -> Iterator[None]:
    """Starts Ray on this machine, deploys the application, and stops both on leaving.

    For one machine: when this process ends, Ray ends with it. On a cluster Ray is started by its own means.

    Raises:
        ConfigurationError: the application did not start; says what its replica said.
        CoordinatorError: Ray did not start.
    """
    _start_ray(config, temp_dir)
    logging.getLogger("ray.serve").setLevel(logging.WARNING)  # our own log says what an operator needs
    try:
        serve.start(
            http_options=HTTPOptions(host=host, port=http_port),
            grpc_options=gRPCOptions(port=grpc_port, grpc_servicer_functions=list(SERVICER_FUNCTIONS)),
        )
        _deploy(config)
        yield
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def _start_ray(config: CoordinatorConfig, temp_dir: str) -> None:
    """Starts Ray, again if need be: where several start at once, one may lose a port to another and never get ready."""
    for tries_left in reversed(range(_RAY_STARTS)):
        try:
            ray.init(
                num_cpus=config.num_replicas + 2,
                object_store_memory=100 * 1024 * 1024,
                include_dashboard=False,
                configure_logging=True,
                logging_level=logging.ERROR,
                log_to_driver=False,
                _node_ip_address=_NODE_ADDRESS,
                _temp_dir=temp_dir,
                runtime_env={"worker_process_setup_hook": SETUP_HOOK},
            )
            return
        except Exception as error:  # Ray raises just that
            ray.shutdown()
            end_descendants(_SECONDS_TO_END)
            if not tries_left:
                raise CoordinatorError(f"Ray did not start: {' '.join(str(error).split())}") from error


def _deploy(config: CoordinatorConfig) -> None:
    try:
        serve.run(_application(config), name=APPLICATION, route_prefix="/")
    except RuntimeError as error:
        deployments = serve.status().applications[APPLICATION].deployments.values()
        # A replica's traceback comes as text; its last line is the error, after its class.
        said = [deployment.message.strip().rpartition("\n")[2] for deployment in deployments if deployment.message]
        reason = "; ".join(line.partition("Error: ")[2] or line for line in said)
        raise ConfigurationError(reason or str(error)) from error
