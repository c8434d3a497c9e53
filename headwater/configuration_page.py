"""Writes ``docs/configuration.md`` from the configuration classes: ``python -m headwater.configuration_page``."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from prometheus_client import CollectorRegistry
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from coordinator.access.key_file import HolderEntry, KeyFile, LimitsEntry, SecretEntry
from coordinator.cluster.cluster_file import ClusterFile, CorpusPlaces, ShardPlaces
from coordinator.config import ENVIRONMENT_PREFIX as COORDINATOR_PREFIX
from coordinator.config import SERVICER_FUNCTIONS, CoordinatorConfig, LocalConfig
from coordinator.metrics import CoordinatorMetrics
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

_COORDINATOR = f"""\
## Coordinator

On a cluster, the `args` of the Serve application `coordinator.app:build`:

```yaml
applications:
  - name: headwater
    route_prefix: /
    import_path: coordinator.app:build
    args:
      cluster_file: /srv/cluster.yaml
      keys_file: /srv/keys.yaml
grpc_options:
  port: 9000
  grpc_servicer_functions:
{"".join(f"    - {name}{chr(10)}" for name in SERVICER_FUNCTIONS)}\
http_options:
  host: 127.0.0.1
  port: 8000
```

Start Ray with `RAY_SERVE_ENABLE_HA_PROXY=1` in its environment, on every node: Serve's own proxy loses the status of a
stream that fails, and one call whose method is not UTF-8 ends its gRPC server. With
`RAY_SERVE_HAPROXY_RETRY_ON="conn-failure empty-response"` and `RAY_SERVE_HAPROXY_RETRIES=3` the requests of a replica
that dies go to another one, which is safe: calls only read, and a takedown that comes twice is one.
`coordinator/__main__.py` lists what else it sets, and why. Without `keys_file` the application is refused, unless
`insecure_public` says that something else keeps others out ([security.md](security.md#on-a-ray-cluster)).

On one machine, `python -m coordinator --cluster-file /srv/cluster.yaml` starts it with a Ray of its own. There each
setting is looked for in this order: a flag (`--max-queued-requests`; `--replicas` for `num_replicas`), a variable in
the environment (`{COORDINATOR_PREFIX}MAX_QUEUED_REQUESTS`), the YAML file of `--config`, the default.

Queue and cache are of each replica. `max_running_requests` is small because a coordinator's work is processor time of
one process: more at once make each other late. What waits is answered in the order of arrival. A request is refused at
once when the queue is full, or when the wait would take more than a quarter of its time; the refusal says when to come
back.
"""

_LOCAL = """\
Of `python -m coordinator` alone:
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

_KEY_FILE = """\
## Key file

The YAML or JSON file that a coordinator's `keys_file` names: who may ask. It holds the SHA-256 of keys, not the keys;
`headwater keys new --id chat --roles trace` makes a key and its entry, `headwater keys check FILE` looks for faults.

```yaml
keys:
  - id: chat
    roles: [trace, read-document]
    secrets:
      - sha256: "0f3a..."
        expires: 2027-06-30T00:00:00Z
      - sha256: "9b1c..."
    limits: {tokens_per_s: 2000, document_bytes_per_day: 500000000}
    comment: the chat page
  - id: legal
    roles: [admin]
    secrets:
      - sha256: "77d0..."
```

Every replica looks at the file each `reload_interval_s`; changes need no restart. A file with a fault changes nothing:
it is told in the log, and `headwater_coordinator_key_file_in_force` is 0 until it is mended. Replace it in one step
(write another file and rename it). What a holder has asked and been shown is counted by its `id`, not by key.
"""

_METRICS = """\
## Metrics of a shard server

What `--metrics-listen` answers at `/metrics`, besides `process_*` (processor time, memory, open files). Nothing in it
names a query or a document. At the same address `/healthz` answers 200 while the process lives; `/readyz` answers 200
while it serves, else 503 with the reason: it opens its shards, it stops, or a file is damaged.
"""

_COORDINATOR_METRICS = """\
## Metrics of a coordinator

What `metrics_listen` answers at `/metrics`, besides `process_*`. Each replica has a listener: those on one machine take
the next free ports, and log which. `/healthz` and `/readyz` are there too. No label holds a text or the name of a
client; `method` and `rpc` are names of calls. What to watch, and for which question:
[observability.md](observability.md).
"""

_ADDRESSES = """\
## What listens where, with `headwater serve`

| what | where | who can use it |
| --- | --- | --- |
| the coordinator's gRPC and HTTP | `--host`, by default loopback | holders of a key or certificate, if wanted |
| probes, metrics of each replica | `metrics_listen`, by default loopback from 9464 on | every user of the machine |
| shard servers | loopback, free ports | every user of the machine |
| a replica's ports, Serve's spare proxy's, HAProxy's statistics | loopback, free ports | every user of the machine |
| Ray's own processes | some on every interface, free ports | holders of a token that is made for each start |
| Ray's own metrics | every interface, free ports | whoever reaches them; they hold no content |

A coordinator listens on another interface than loopback only with TLS, and with keys or client certificates; a shard
server only with mutual TLS. `insecure_public` is the way out where something else keeps others away, and is logged as a
warning. Probes and metrics have no TLS and want no key: where others may reach them, `insecure_public_metrics` has to
say that this is meant. They hold no text; names of corpora and addresses of servers are in them. Ray has no setting for
the addresses of its own processes: on a machine that others can reach, close its ports with a firewall but for the two
that are meant to be open.
"""


def page() -> str:
    """Returns the page."""
    sections: list[tuple[str, list[type[BaseModel]]]] = [
        (_SHARD_SERVER, [ShardServerConfig]),
        (_COORDINATOR, [CoordinatorConfig]),
        (_LOCAL, [LocalConfig]),
        (_CLUSTER_FILE, [ClusterFile, CorpusPlaces, ShardPlaces]),
        (_KEY_FILE, [KeyFile, HolderEntry, SecretEntry, LimitsEntry]),
    ]
    parts = [_INTRODUCTION]
    for text, models in sections:
        parts.append(text)
        for model in models:
            if len(models) > 1:
                parts.append(f"{model.__doc__}\n")
            parts.append(_table(model))
    parts += [_METRICS, _metrics_table(Metrics().registry)]
    parts += [_COORDINATOR_METRICS, _metrics_table(CoordinatorMetrics().registry), _ADDRESSES]
    return "\n".join(parts)


def _table(model: type[BaseModel]) -> str:
    rows = [
        f"| `{name}` | {_default(field)} | {_range(field)} | {field.description} |"
        for name, field in _own_fields(model)
    ]
    return "\n".join(["| setting | default | range | what it is |", "| --- | --- | --- | --- |", *rows, ""])


def _own_fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Returns the fields of a model, its own before those of its bases; `LocalConfig` without its base's."""
    own = [name for name in model.model_fields if name in model.__annotations__]
    inherited = [] if model is LocalConfig else [name for name in model.model_fields if name not in own]
    return [(name, model.model_fields[name]) for name in (*own, *inherited)]


def _metrics_table(registry: CollectorRegistry) -> str:
    rows = [
        f"| `{metric.name}{'_total' if metric.type == 'counter' else ''}` | {metric.type} | {metric.documentation} |"
        for metric in registry.collect()
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
