"""What the tests of the readers share: one file in, its documents out."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from indexing.documents import BadDocuments, Document, DocumentFields
from indexing.reading import read_documents
from indexing.sources import find_corpus


def read_all(
    *sources: Path,
    text: str = "text",
    metadata: Sequence[str] | None = None,
    bad: BadDocuments | None = None,
    read: list[int] | None = None,
) -> list[Document]:
    """Returns the documents of some sources; ``read`` collects the bytes taken from disk."""
    fields = DocumentFields(text, None if metadata is None else tuple(metadata))
    told: list[int] = [] if read is None else read
    return list(read_documents(find_corpus(sources), fields, bad or BadDocuments(skip=False), told.append))


def metadata_of(document: Document) -> Any:
    """Returns the parsed metadata line."""
    return json.loads(document.metadata_line)


def json_lines(*records: object) -> bytes:
    """Returns records as JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records).encode()
