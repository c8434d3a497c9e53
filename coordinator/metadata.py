"""What a document's metadata line says: infini-gram's ``{"path", "linenum", "metadata": {...}}``, or any other JSON."""

import json
from collections.abc import Mapping
from typing import Any


def parse_metadata(line: str) -> Mapping[str, Any]:
    """Returns the metadata object of a document; a line that is none is kept under ``raw``."""
    if not line:
        return {}
    try:
        parsed = json.loads(line)
    except ValueError:
        return {"raw": line}
    return parsed if isinstance(parsed, dict) else {"raw": line}


def source_of(metadata: Mapping[str, Any]) -> str:
    """Returns the document's source: its ``source`` field, or else the path it was read from."""
    return _field(metadata, "source") or _field(metadata, "path")


def url_of(metadata: Mapping[str, Any]) -> str:
    """Returns the document's ``url`` field if it is a web address, else an empty string."""
    url = _field(metadata, "url")
    return url if url.startswith(("https://", "http://")) else ""


def _field(metadata: Mapping[str, Any], name: str) -> str:
    fields = metadata.get("metadata")
    for place in (fields, metadata):
        if isinstance(place, dict) and isinstance(value := place.get(name), str) and value:
            return value
    return ""
