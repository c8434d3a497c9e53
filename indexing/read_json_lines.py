"""Reads JSON lines: one document an object a line."""

import json
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from indexing.documents import MAX_DOCUMENT_BYTES, BadDocuments, Document, DocumentFields, RecordPlace, document_of
from indexing.errors import BadDocumentError
from indexing.packed_files import open_source
from indexing.sources import SplitFile

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_json_lines(
    part: SplitFile, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields the documents of a part of a file. Blank lines are passed over; see `reading.read_documents`."""
    file = part.file
    with open_source(part, read) as stream:
        linenum = part.first_record
        while line := stream.readline(MAX_DOCUMENT_BYTES + 1):
            place = RecordPlace(file.path, file.name, linenum)
            linenum += 1
            try:
                if len(line) > MAX_DOCUMENT_BYTES:
                    _skip_line(stream)
                    raise place.error(
                        f"line of more than {MAX_DOCUMENT_BYTES} bytes, expected at most that; split the document"
                    )
                if line.isspace():
                    continue
                document = document_of(_parse(line, place), fields, place)
            except BadDocumentError as error:
                bad.report(error)
            else:
                yield document


def _parse(line: bytes, place: RecordPlace) -> dict[str, Any]:
    if place.linenum == 0:
        line = line.removeprefix(_BYTE_ORDER_MARK)
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise place.error(
            f"byte {error.start} of the line is 0x{line[error.start]:02x}, not UTF-8; convert the file to UTF-8"
        ) from error
    try:
        # NaN and Infinity are what Python writes and JSON lacks.
        record = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        raise place.error(f"not valid JSON ({error})") from error
    if not isinstance(record, dict):
        raise place.error(f"expected a JSON object a line, found {type(record).__name__}")
    return record


def _skip_line(stream: BinaryIO) -> None:
    """Reads to the end of a line that is too long to hold."""
    while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
        pass
