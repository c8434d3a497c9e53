"""Reads Parquet: one document a row, a row group at a time."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from indexing.documents import BadDocuments, Document, DocumentFields, RecordPlace, document_of
from indexing.errors import BadDocumentError, SourceError
from indexing.sources import SourceFile, SplitFile

_ROWS = 256  # held as Python objects at a time


def read_parquet(
    part: SplitFile, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields the documents of a part of a file; see `reading.read_documents`.

    A column of another type than text is an error.
    """
    file = part.file
    with _errors_of(file), _opened(file) as parquet:
        columns = _columns(parquet.schema_arrow, fields, file)
        for row, record in enumerate(_records(parquet, columns, part, read), part.first_record):
            try:
                document = document_of(record, fields, RecordPlace(file.path, file.name, row))
            except BadDocumentError as error:
                bad.report(error)
            else:
                yield document


def _opened(file: SourceFile) -> pyarrow.parquet.ParquetFile:
    # A remote file without a buffer: Arrow asks for whole columns of a row group.
    return pyarrow.parquet.ParquetFile(file.path if isinstance(file.path, Path) else file.path.open_raw())


def _columns(schema: pyarrow.Schema, fields: DocumentFields, file: SourceFile) -> list[str]:
    """Returns the columns to read, the text first."""
    if fields.text not in schema.names:
        found = ", ".join(repr(name) for name in schema.names) or "none"
        raise SourceError(
            f"{file.path}: no column {fields.text!r}, found {found}; name the text column with --text-field"
        )
    kind = schema.field(fields.text).type
    if not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise SourceError(f"{file.path}: column {fields.text!r} has type {kind}, expected string")
    wanted = schema.names if fields.metadata is None else fields.metadata
    return [fields.text, *(name for name in wanted if name != fields.text and name in schema.names)]


def _records(
    parquet: pyarrow.parquet.ParquetFile, columns: list[str], part: SplitFile, read: Callable[[int], None]
) -> Iterator[dict[str, Any]]:
    groups = range(part.start, parquet.num_row_groups if part.end is None else part.end)
    told = 0
    for number, group in enumerate(groups, 1):
        for batch in parquet.iter_batches(_ROWS, row_groups=[group], columns=columns):
            yield from _rows(batch, part.file)
        # Arrow reads by itself; each row group counts for its share of the part.
        done = part.size_bytes * number // len(groups)
        read(done - told)
        told = done


def _rows(batch: pyarrow.RecordBatch, file: SourceFile) -> list[dict[str, Any]]:
    try:
        rows: list[dict[str, Any]] = batch.to_pylist()
    except UnicodeDecodeError as error:
        raise SourceError(f"{file.path}: a text in the file is not UTF-8 ({error})") from error
    return rows


def text_bytes_of_parquet(file: SourceFile, text_column: str) -> int:
    """Returns the unpacked size of a column as the footer has it: about its bytes of text, less where texts repeat.

    Raises:
        SourceError: the file is no Parquet file, or truncated.
    """
    with _errors_of(file), _opened(file) as parquet:
        size_bytes = 0
        for number in range(parquet.metadata.num_row_groups):
            group = parquet.metadata.row_group(number)
            columns = [group.column(index) for index in range(group.num_columns)]
            # Four bytes of each text are its length.
            size_bytes += sum(
                max(0, column.total_uncompressed_size - 4 * column.num_values)
                for column in columns
                if column.path_in_schema == text_column
            )
        return size_bytes


def row_groups(file: SourceFile) -> list[int]:
    """Returns the number of rows of each row group.

    Raises:
        SourceError: the file is no Parquet file, or truncated.
    """
    with _errors_of(file), _opened(file) as parquet:
        return [parquet.metadata.row_group(number).num_rows for number in range(parquet.metadata.num_row_groups)]


@contextmanager
def _errors_of(file: SourceFile) -> Iterator[None]:
    """Turns what Arrow raises while the body reads ``file`` into a `SourceError`."""
    try:
        yield
    except pyarrow.ArrowException as error:
        raise SourceError(f"{file.path}: truncated or corrupt Parquet file ({_first_line(error)})") from error
    except OSError as error:
        raise SourceError(f"{file.path}: cannot read the file ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
