"""Reads the documents of a corpus, one file after another, in bounded memory."""

from collections.abc import Callable, Iterator
from typing import assert_never

from indexing.documents import BadDocuments, Document, DocumentFields
from indexing.read_json_lines import read_json_lines
from indexing.read_text import read_text
from indexing.read_token_ids import read_token_ids
from indexing.sources import Corpus, SourceKind, SplitFile


def read_part(
    part: SplitFile, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields the documents of a part of a file; see `read_documents`."""
    match part.file.kind:
        case SourceKind.JSON_LINES:
            return read_json_lines(part, fields, bad, read)
        case SourceKind.TEXT:
            return read_text(part, fields, bad, read)
        case SourceKind.ID_ARRAY:
            return read_token_ids(part, fields, bad, read)
        case SourceKind.PARQUET:
            from indexing.read_parquet import read_parquet  # Arrow takes 40 MB and a quarter of a second to load

            return read_parquet(part, fields, bad, read)
        case _ as never:
            assert_never(never)


def read_documents(
    corpus: Corpus, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields every document in reading order; ``read`` is told the bytes taken from disk as they are.

    Raises:
        SourceError: a file cannot be read as what it is.
        BadDocumentError: a line or row is bad, unless ``bad`` skips them.
    """
    for file in corpus.files:
        yield from read_part(SplitFile.whole(file), fields, bad, read)
