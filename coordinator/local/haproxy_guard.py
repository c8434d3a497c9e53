"""Rules that HAProxy needs and Ray Serve has no setting for, put in by the program that is started in its place.

Serve starts HAProxy by a path that can be set: to a script that changes the configuration and becomes HAProxy.

- A gRPC server of grpcio 1.85.1 takes no more calls after one whose method is not UTF-8, and says so to nobody: such
  calls end here.
- The pages of statistics and metrics are for this machine alone; Serve has them listen on every interface.
- Callers' headers have Serve give back any text as the request's id, and keep working for a caller that has left.
- Replicas listen where Serve does, without TLS: so Serve is told to listen on loopback, and HAProxy elsewhere.
- Serve's gRPC has no TLS: here it ends, for gRPC and for HTTP. A configuration into which it cannot be put is not used.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from runtime.address import join_address
from runtime.request_id import ACCEPTED

# Serve's arguments begin with "-db -f FILE"; should they ever not, its configuration is taken as it is, but for TLS.
_SCRIPT = r"""#!/bin/sh
if [ "$1 $2" = "-db -f" ]; then
  file=$3
  sed @EDITS@ "$file" > "$file.guarded" || exit 1
@CHECK@  shift 3
  set -- -db -f "$file.guarded" "$@"
@ELSE@fi
exec '@HAPROXY@' "$@"
"""
_CHECK = r"""  if [ "$(grep -c ' ssl crt ' "$file.guarded")" != "$(grep -c '^frontend [a-z]*_frontend' "$file")" ]; then
    echo "cannot put TLS into $file: its frontends are not as this version of Serve writes them" >&2
    exit 1
  fi
"""
_ELSE = r"""elif [ $# -gt 1 ]; then
  echo "cannot put TLS into a configuration that is not given as -db -f FILE" >&2
  exit 1
"""
# Trailers only, INVALID_ARGUMENT (3): what gRPC clients take for an answer.
_RULE = (
    "    http-request return status 200 content-type application\\/grpc hdr grpc-status 3 "
    'hdr grpc-message "the method is no ASCII text" if { path -m reg "[^ -~]" }'
)
_HTTP_RULES = (
    "del-header x-request-id if { req.fhdr_cnt(x-request-id) gt 1 }",
    f"del-header x-request-id unless {{ req.fhdr(x-request-id) -m reg ^{ACCEPTED}$ }}",
    "del-header x-request-timeout-seconds",
    "del-header x-request-disconnect-disabled",
)
_EDITS = (
    rf"/^frontend grpc_frontend/,/^backend/ s/^    mode http$/&\n{_RULE}/",
    r"/^frontend prometheus/,/^frontend http_frontend/ s/^    bind :/    bind 127.0.0.1:/",
    r"/^listen stats/,$ s/^  bind \*:/  bind 127.0.0.1:/",
)
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class TlsEnd:
    """Where TLS of the public endpoints ends.

    Attributes:
        certificate: File of the certificate, those that lead to its CA, and the private key.
        client_ca: File of the CAs that vouch for callers; None if they need no certificate.
    """

    certificate: Path
    client_ca: Path | None

    def edits(self) -> tuple[str, ...]:
        """Returns what changes Serve's configuration, for sed."""
        verify = f" ca-file {self.client_ca} verify required" if self.client_ca is not None else ""
        end = rf"ssl crt {self.certificate} ssl-min-ver TLSv1.2{verify}"
        return (
            rf"/^frontend http_frontend/,/^backend/ s|^    bind \(.*:[0-9]*\)$|    bind \1 {end} alpn h2,http/1.1|",
            rf"/^frontend grpc_frontend/,/^backend/ s|^    bind \(.*\) proto h2$|    bind \1 {end} alpn h2|",
        )


def write_guard(path: Path, haproxy: str, tls: TlsEnd | None = None, host: str = LOOPBACK) -> Path:
    """Writes the script that stands in for the program ``haproxy``, and returns its path.

    Args:
        path: Of the script.
        haproxy: Path of the program.
        tls: Where TLS ends; None if it is not spoken.
        host: Where the public ports are, in the place of `LOOPBACK`, where Serve thinks that they are.
    """
    edits = (*_EDITS, *_host_edits(host), *(tls.edits() if tls is not None else ()), _http_edit())
    script = _SCRIPT.replace("@CHECK@", _CHECK if tls is not None else "")
    script = script.replace("@ELSE@", _ELSE if tls is not None else "")
    script = script.replace("@EDITS@", " ".join(f"-e '{edit}'" for edit in edits)).replace("@HAPROXY@", haproxy)
    path.write_text(script)
    path.chmod(0o700)
    return path


def _http_edit() -> str:
    rules = "".join(rf"\n    http-request {rule}" for rule in _HTTP_RULES)
    return rf"/^frontend http_frontend/,/^backend/ s|^    bind .*$|&{rules}|"


def _host_edits(host: str) -> tuple[str, ...]:
    public = join_address(host, 0).removesuffix(":0")
    return (rf"/^frontend [a-z]*_frontend/,/^backend/ s|^    bind {re.escape(LOOPBACK)}:|    bind {public}:|",)
