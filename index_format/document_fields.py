"""Where a document's metadata line says its url and source: infini-gram's ``{"path", "linenum", "metadata": {...}}``.

Of a corpus whose documents have an object ``metadata`` of their own, as those of Dolma do, it has one in the other.
What is said in several places counts in each: a takedown would rather concern one document more.
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
    """Returns what metadata says of a document's url; what is shown first."""
    return _words(fields, "url")


def sources_of(fields: Mapping[str, Any]) -> list[str]:
    """Returns what metadata says of a document's source, or else of the path it was read from; what is shown first."""
    return _words(fields, "source") or _words(fields, "path")


def _words(fields: Mapping[str, Any], name: str) -> list[str]:
    places = [fields]
    while isinstance(inner := places[-1].get("metadata"), dict):
        places.append(inner)
    places[:2] = reversed(places[:2])
    return [value for place in places if isinstance(value := place.get(name), str) and value]
