"""Where a document's metadata line says its url and source: infini-gram's ``{"path", "linenum", "metadata": {...}}``.

What may be said in two places counts in both: a takedown would rather concern one document more.
"""

import json
from collections.abc import Mapping
from typing import Any


def metadata_fields(line: bytes | str) -> Mapping[str, Any]:
    """Returns the object of a metadata line; an empty one of a line that is none."""
    try:
        parsed = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def urls_of(fields: Mapping[str, Any]) -> list[str]:
    """Returns what metadata says of a document's url."""
    return _words(fields, "url")


def sources_of(fields: Mapping[str, Any]) -> list[str]:
    """Returns what metadata says of a document's source: its ``source``, or else the path it was read from."""
    return _words(fields, "source") or _words(fields, "path")


def _words(fields: Mapping[str, Any], name: str) -> list[str]:
    inner = fields.get("metadata")
    places = (inner, fields) if isinstance(inner, dict) else (fields,)
    return [value for place in places if isinstance(value := place.get(name), str) and value]
