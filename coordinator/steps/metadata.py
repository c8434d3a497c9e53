"""What a document's metadata line says: infini-gram's ``{"path", "linenum", "metadata": {...}}``, or any other JSON."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from coordinator.results import DocumentText
from coordinator.values import DocumentId
from index_format.document_fields import sources_of, urls_of

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def parse_metadata(line: str) -> Mapping[str, Any]:
    """Returns the metadata object of a document; a line that is none is kept under ``raw``.

    Half of a surrogate pair, which JSON can write and UTF-8 cannot, becomes a question mark. A number that JSON cannot
    write, like the NaN that Python's writer puts into corpora, becomes null.
    """
    if not line:
        return {}
    try:
        parsed = json.loads(line, parse_constant=_null, parse_float=_finite)
        if "\\u" in line and _SURROGATE.search(line):
            parsed = json.loads(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return {"raw": line}
    return parsed if isinstance(parsed, dict) else {"raw": line}


def source_of(metadata: Mapping[str, Any]) -> str:
    """Returns the document's source: its ``source`` field, or else the path it was read from."""
    return next(iter(sources_of(metadata)), "")


def url_of(metadata: Mapping[str, Any]) -> str:
    """Returns the document's ``url`` field if it is a web address, else an empty string."""
    url = next(iter(urls_of(metadata)), "")
    return url if url.startswith(("https://", "http://")) else ""


def document_text(
    id_: DocumentId, stage: str, line: str, *, num_tokens: int, start: int, end: int, text: str
) -> DocumentText:
    """Returns a run of a document, with what its metadata line says."""
    metadata = parse_metadata(line)
    return DocumentText(
        id=id_,
        corpus=id_.corpus,
        stage=stage,
        source=source_of(metadata),
        url=url_of(metadata),
        num_tokens=num_tokens,
        start=start,
        end=end,
        text=text,
        metadata=metadata,
    )


def _null(_constant: str) -> None:
    return None


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None
