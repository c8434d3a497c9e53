"""Reads the documents of a corpus, one file after another, in bounded memory."""

from collections.abc import Callable, Iterator

from indexing.documents import BadDocuments, Document, DocumentFields
from indexing.read_json_lines import read_json_lines
from indexing.read_parquet import read_parquet
from indexing.read_text import read_text
from indexing.sources import Corpus, SourceKind, SplitFile

READERS = {
    SourceKind.JSON_LINES: read_json_lines,
    SourceKind.PARQUET: read_parquet,
    SourceKind.TEXT: read_text,
}


def read_documents(
    corpus: Corpus, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields every document in reading order; ``read`` is told the bytes taken from disk as they are.

    Raises:
        SourceError: a file cannot be read as what it is.
        BadDocumentError: a line or row is bad, unless ``bad`` skips them.
    """
    for file in corpus.files:
        yield from READERS[file.kind](SplitFile.whole(file), fields, bad, read)
