"""Writes ``docs/configuration.md`` from the configuration classes: ``python -m headwater.configuration_page``."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from coordinator.cluster.cluster_file import ClusterFile, CorpusPlaces, ShardPlaces
from coordinator.config import CoordinatorConfig
from shard_server.config import ENVIRONMENT_PREFIX, ShardServerConfig
from shard_server.metrics import Metrics

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"

_INTRODUCTION = """\
# Configuration

Written by `python -m headwater.configuration_page` from the configuration classes; a test compares the two.
Unknown settings are errors. Units are in the names.
"""

_SHARD_SERVER = f"""\
## Shard server

`python -m shard_server --index DIR --shard 0 --listen 127.0.0.1:7001`

Each setting is looked for in this order: a flag (`--max-windows`; `--shard`, repeated, for `shards`), a variable in
the environment (`{ENVIRONMENT_PREFIX}MAX_WINDOWS`; lists with commas), the YAML file of `--config` (`max_windows`), the
default.
"""

_COORDINATOR = """\
## Coordinator

The `args` of the Serve application `coordinator.app:build`:

```yaml
applications:
  - name: headwater
    route_prefix: /
    import_path: coordinator.app:build
    args:
      cluster_file: /srv/cluster.yaml
grpc_options:
  port: 9000
  grpc_servicer_functions:
    - protos.coordinator.v1.coordinator_pb2_grpc.add_CoordinatorServiceServicer_to_server
http_options:
  host: 127.0.0.1
  port: 8000
```
"""

_CLUSTER_FILE = """\
## Cluster file

The YAML file that tells a coordinator which corpora it serves, and where each replica of each of their shards is. A
relative `index` starts at the file's folder. All corpora share one tokenizer.

```yaml
corpora:
  - name: pretraining
    display_name: Pre-training
    stage: pre-training
    index: /srv/indexes/pre
    shards:
      - {shard: 0, replicas: ["10.0.0.1:7001", "10.0.1.1:7001"]}
      - {shard: 1, replicas: ["10.0.0.2:7001", "10.0.1.2:7001"]}
```

The coordinator looks at the file and at the manifests of the indexes every `reload_interval_s`. When they say something
else, it connects to what they say now and takes over once as much can be searched as before; files with a fault are
logged and change nothing.
"""

_METRICS = """\
## Metrics of a shard server

What `--metrics-listen` answers at `/metrics`, besides `process_*` (processor time, memory, open files). Nothing in it
names a query or a document. At the same address `/healthz` answers 200 while the process lives; `/readyz` answers 200
while it serves, else 503 with the reason: it opens its shards, it stops, or a file is damaged.
"""

_ADDRESSES = """\
## What listens where, with `headwater serve`

| what | where | who can use it |
| --- | --- | --- |
| the coordinator's gRPC and HTTP | `--host`, by default loopback | whoever reaches it: there is no authentication |
| shard servers | loopback, free ports | every user of the machine |
| Ray's own processes | some on every interface, free ports | holders of a token that is made for each start |
| a replica's ports (free, 10000 to 19999), Serve's spare proxy's (free) | every interface | whoever reaches it |
| HAProxy's pages of statistics and metrics | every interface, free ports | whoever reaches it; they hold no content |

Ray Serve has no setting for the addresses of the last two: on a machine that others can reach, close its ports with a
firewall but for the two that are meant to be open.
"""


def page() -> str:
    """Returns the page."""
    sections: list[tuple[str, list[type[BaseModel]]]] = [
        (_SHARD_SERVER, [ShardServerConfig]),
        (_COORDINATOR, [CoordinatorConfig]),
        (_CLUSTER_FILE, [ClusterFile, CorpusPlaces, ShardPlaces]),
    ]
    parts = [_INTRODUCTION]
    for text, models in sections:
        parts.append(text)
        for model in models:
            if len(models) > 1:
                parts.append(f"{model.__doc__}\n")
            parts.append(_table(model))
    parts += [_METRICS, _metrics_table(), _ADDRESSES]
    return "\n".join(parts)


def _table(model: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_default(field)} | {_range(field)} | {field.description} |"
        for name, field in model.model_fields.items()
    ]
    return "\n".join(["| setting | default | range | what it is |", "| --- | --- | --- | --- |", *rows, ""])


def _metrics_table() -> str:
    rows = [
        f"| `{metric.name}{'_total' if metric.type == 'counter' else ''}` | {metric.type} | {metric.documentation} |"
        for metric in Metrics().registry.collect()
    ]
    return "\n".join(["| metric | kind | what it is |", "| --- | --- | --- |", *rows, ""])


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    shown: Any = {None: "none", (): "all"}.get(field.default, field.default)
    return f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"


def _range(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    lowest, above, highest = (
        next((getattr(limit, name) for limit in field.metadata if hasattr(limit, name)), None)
        for name in ("ge", "gt", "le")
    )
    if lowest is None and above is None:
        return ""
    least = f"more than {above}" if lowest is None else f"{lowest}"
    if highest is None:
        return least if lowest is None else f"{least} or more"
    return f"{least} to {highest}" if above is None else f"{least}, at most {highest}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
