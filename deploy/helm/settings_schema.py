"""``python -m deploy.helm.settings_schema``: writes the settings of both processes into the schema of the values.

So a setting that is misspelt in the values, or of the wrong type, is refused by Helm. Settings that the chart itself
decides (addresses, paths) are left out: they are refused there, too.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from coordinator.config import CoordinatorConfig
from shard_server.config import ShardServerConfig

SCHEMA = Path(__file__).resolve().parent / "headwater" / "values.schema.json"
# What the templates set.
OF_SHARD_SERVERS = frozenset(
    {
        "index", "shards", "listen", "metrics_listen", "state_dir", "insecure_public", "insecure_public_metrics",
        "tls_cert", "tls_key", "tls_client_ca", "stop_with_stdin",
    }
)  # fmt: skip
OF_COORDINATORS = frozenset(
    {
        "cluster_file", "num_replicas", "metrics_listen", "metrics_ports", "log_socket", "keys_file", "audit_log",
        "takedown_file", "shard_tls_ca", "shard_tls_cert", "shard_tls_key", "insecure_public",
        "insecure_public_metrics",
    }
)  # fmt: skip
# What JSON Schema says of a value without naming formats or documentation.
_KEPT = ("type", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "anyOf", "items", "pattern")


def with_settings(schema: dict[str, Any]) -> dict[str, Any]:
    """Returns the schema of the values with the settings that the configuration classes have now."""
    of_both = {
        "shardServerSettings": _settings(ShardServerConfig, OF_SHARD_SERVERS),
        "coordinatorSettings": _settings(CoordinatorConfig, OF_COORDINATORS),
    }
    return {**schema, "$defs": {**schema["$defs"], **of_both}}


def as_text(schema: dict[str, Any]) -> str:
    """Returns what stands in the file."""
    return json.dumps(schema, indent=2) + "\n"


def _settings(config: type[BaseModel], decided: frozenset[str]) -> dict[str, Any]:
    properties = config.model_json_schema()["properties"]
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _bare(schema) for name, schema in sorted(properties.items()) if name not in decided},
    }


def _bare(schema: dict[str, Any]) -> dict[str, Any]:
    kept = {key: schema[key] for key in _KEPT if key in schema}
    if "anyOf" in kept:
        kept["anyOf"] = [_bare(choice) for choice in kept["anyOf"]]
    return kept


if __name__ == "__main__":
    SCHEMA.write_text(as_text(with_settings(json.loads(SCHEMA.read_text()))))
