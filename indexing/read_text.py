"""Reads plain text: one document a file."""

from collections.abc import Callable, Iterator

from indexing.documents import MAX_DOCUMENT_BYTES, BadDocuments, Document, DocumentFields, RecordPlace, make_document
from indexing.errors import BadDocumentError
from indexing.packed_files import open_source
from indexing.sources import SourceFile, SplitFile


def read_text(
    part: SplitFile, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields the one document of a file; see `reading.read_documents`. It has no metadata but its path."""
    del fields
    file = part.file
    with open_source(part, read) as stream:
        content = stream.read(MAX_DOCUMENT_BYTES + 1) if file.size_bytes <= MAX_DOCUMENT_BYTES else None
    try:
        document = _document(content, file)
    except BadDocumentError as error:
        bad.report(error)
    else:
        yield document


def _document(content: bytes | None, file: SourceFile) -> Document:
    place = RecordPlace(file.path, file.name, 0)
    if content is None or len(content) > MAX_DOCUMENT_BYTES:
        raise place.error(
            f"document of more than {MAX_DOCUMENT_BYTES} bytes, expected at most that; split it into documents"
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = RecordPlace(file.path, file.name, content.count(b"\n", 0, error.start))
        raise line.error(
            f"byte {error.start} of the file is 0x{content[error.start]:02x}, not UTF-8; convert the file to UTF-8"
        ) from error
    return make_document(text, {}, place)
