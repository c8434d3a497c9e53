"""A rule that HAProxy needs and Ray Serve has no setting for, put in by the program that is started in its place.

A gRPC server of grpcio 1.85.1 takes no more calls after one whose method is not UTF-8, and says so to nobody. Serve
starts HAProxy by a path that can be set: to a script that adds the rule to the configuration and becomes HAProxy.
"""

from pathlib import Path

# Serve's arguments begin with "-db -f FILE"; should they ever not, its configuration is taken as it is.
_SCRIPT = r"""#!/bin/sh
if [ "$1 $2" = "-db -f" ]; then
  file=$3
  sed '/^frontend grpc_frontend/,/^backend/ s/^    mode http$/&\n@RULE@/' "$file" > "$file.guarded" || exit 1
  shift 3
  set -- -db -f "$file.guarded" "$@"
fi
exec '@HAPROXY@' "$@"
"""
# Trailers only, INVALID_ARGUMENT (3): what gRPC clients take for an answer.
_RULE = (
    "    http-request return status 200 content-type application\\/grpc hdr grpc-status 3 "
    'hdr grpc-message "the method is no ASCII text" if { path -m reg "[^ -~]" }'
)


def write_guard(path: Path, haproxy: str) -> Path:
    """Writes the script that stands in for the program ``haproxy``, and returns its path."""
    path.write_text(_SCRIPT.replace("@RULE@", _RULE).replace("@HAPROXY@", haproxy))
    path.chmod(0o700)
    return path
