"""``python -m bench.fuzz.http_by_schema``: requests that Schemathesis makes from ``/openapi.json``, to a real cluster.

The cluster has an index of some sentences, Ray Serve and HAProxy in front. No answer may have status 500 or another one
than the description says, nor a body of another form. `make fuzz-http` installs Schemathesis, beside the project.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.fuzz.tiny import build_tiny_index
from headwater.local_cluster import LocalCluster

_CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
)
# A request may ask for an answer within a millisecond, which is refused with 503 or 504; 500 is never right.
_SETTINGS = '[checks]\nnot_a_server_error.expected-statuses = ["2xx", "4xx", "503", "504"]\n'
_CHECKS_OF_JSON = (*_CHECKS, "response_schema_conformance")
_STREAM = "/v1/trace/stream"


def main() -> None:
    """Runs it, and ends with the status of Schemathesis: 0 if all answers were as described."""
    arguments = _arguments()
    with (
        tempfile.TemporaryDirectory(prefix="fuzz-http-") as folder,
        LocalCluster(build_tiny_index(Path(folder))) as cluster,
    ):
        settings = Path(folder) / "schemathesis.toml"
        settings.write_text(_SETTINGS)
        # OpenAPI 3.1 cannot describe the events of a stream, so their form is not checked here.
        statuses = [
            _schemathesis(arguments, settings, cluster.http_url, ("--exclude-path", _STREAM), _CHECKS_OF_JSON),
            _schemathesis(arguments, settings, cluster.http_url, ("--include-path", _STREAM), _CHECKS),
        ]
    sys.exit(max(statuses))


def _schemathesis(
    arguments: argparse.Namespace, settings: Path, url: str, which: tuple[str, str], checks: tuple[str, ...]
) -> int:
    command = [arguments.schemathesis.absolute(), "--config-file", str(settings), "run", f"{url}/openapi.json"]
    command += ["--continue-on-failure", *which]
    command += ["--checks", ",".join(checks), "--max-examples", str(arguments.examples), "--seed", str(arguments.seed)]
    command += ["--request-timeout", "60", "--max-time", str(arguments.seconds)]
    return subprocess.run(command, cwd=settings.parent).returncode


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz.http_by_schema")
    parser.add_argument("schemathesis", type=Path, help="the command")
    parser.add_argument("--examples", type=int, default=300, help="for each operation and phase, at most")
    parser.add_argument("--seconds", type=int, default=300, help="after which it ends")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()
