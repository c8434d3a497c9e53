"""Reads Parquet: one document a row, a row group at a time."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from indexing.documents import BadDocuments, Document, DocumentFields, RecordPlace, document_of, tokenized_document
from indexing.errors import BadDocumentError, SourceError
from indexing.sources import SourceFile, SplitFile

_ROWS = 256  # held as Python objects at a time


def read_parquet(
    part: SplitFile, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields the documents of a part of a file; see `reading.read_documents`.

    A column of another type than text, or of lists of whole numbers where token ids are asked for, is an error.
    """
    file = part.file
    with _errors_of(file), _opened(file) as parquet:
        columns = _columns(parquet.schema_arrow, fields, file)
        rows = (row for batch in _batches(parquet, columns, part, read) for row in _rows(batch, fields, file))
        for number, (record, token_ids) in enumerate(rows, part.first_record):
            place = RecordPlace(file.path, file.name, number)
            try:
                if fields.ids is None:
                    document = document_of(record, fields, place)
                else:
                    document = _document_of_ids(token_ids, record, place, fields)
            except BadDocumentError as error:
                bad.report(error)
            else:
                yield document


def _opened(file: SourceFile) -> pyarrow.parquet.ParquetFile:
    # A remote file without a buffer: Arrow asks for whole columns of a row group.
    return pyarrow.parquet.ParquetFile(file.path if isinstance(file.path, Path) else file.path.open_raw())


def _columns(schema: pyarrow.Schema, fields: DocumentFields, file: SourceFile) -> list[str]:
    """Returns the columns to read, the text or the token ids first."""
    wanted, option = (fields.text, "text") if fields.ids is None else (fields.ids, "ids")
    if wanted not in schema.names:
        found = ", ".join(repr(name) for name in schema.names) or "none"
        raise SourceError(
            f"{file.path}: no column {wanted!r}, found {found}; name the {option} column with --{option}-field"
        )
    kind = schema.field(wanted).type
    if fields.ids is None and not (pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)):
        raise SourceError(f"{file.path}: column {wanted!r} has type {kind}, expected string")
    if fields.ids is not None and not _is_list_of_ids(kind):
        raise SourceError(f"{file.path}: column {wanted!r} has type {kind}, expected a list of whole numbers")
    # Where there are ids, the text that they were made of is no metadata.
    kept = [name for name in schema.names if name != fields.text] if fields.metadata is None else fields.metadata
    return [wanted, *(name for name in kept if name != wanted and name in schema.names)]


def _is_list_of_ids(kind: pyarrow.DataType) -> bool:
    is_list = pyarrow.types.is_list(kind) or pyarrow.types.is_large_list(kind) or pyarrow.types.is_fixed_size_list(kind)
    return bool(is_list and pyarrow.types.is_integer(kind.value_type))


def _batches(
    parquet: pyarrow.parquet.ParquetFile, columns: list[str], part: SplitFile, read: Callable[[int], None]
) -> Iterator[pyarrow.RecordBatch]:
    groups = range(part.start, parquet.num_row_groups if part.end is None else part.end)
    told = 0
    for number, group in enumerate(groups, 1):
        yield from parquet.iter_batches(_ROWS, row_groups=[group], columns=columns)
        # Arrow reads by itself; each row group counts for its share of the part.
        done = part.size_bytes * number // len(groups)
        read(done - told)
        told = done


def _rows(
    batch: pyarrow.RecordBatch, fields: DocumentFields, file: SourceFile
) -> Iterator[tuple[dict[str, Any], pyarrow.ListScalar | None]]:
    """Yields the values of each row, its token ids apart from the others."""
    ids: Iterable[pyarrow.ListScalar | None] = repeat(None, batch.num_rows)
    if fields.ids is not None:
        ids = batch.column(fields.ids)
        batch = batch.drop_columns([fields.ids])
    try:
        # A batch without columns has no rows to give.
        rows: list[dict[str, Any]] = batch.to_pylist() if batch.num_columns else [{} for _ in range(batch.num_rows)]
    except UnicodeDecodeError as error:
        raise SourceError(f"{file.path}: a text in the file is not UTF-8 ({error})") from error
    yield from zip(rows, ids, strict=True)


def _document_of_ids(
    token_ids: pyarrow.ListScalar | None, record: dict[str, Any], place: RecordPlace, fields: DocumentFields
) -> Document:
    if token_ids is None or token_ids.values is None or token_ids.values.null_count:
        raise place.error(f"column {fields.ids!r} is null, or has a null in it, expected token ids")
    return tokenized_document(token_ids.values.to_numpy(), record, place, fields)


def num_ids_of_parquet(file: SourceFile, ids_column: str) -> int:
    """Returns the number of token ids in a column, as the footer has it; empty lists count for one.

    Raises:
        SourceError: the file is no Parquet file, or truncated.
    """
    with _errors_of(file), _opened(file) as parquet:
        groups = [parquet.metadata.row_group(number) for number in range(parquet.metadata.num_row_groups)]
        columns = [group.column(index) for group in groups for index in range(group.num_columns)]
        return sum(column.num_values for column in columns if column.path_in_schema.split(".")[0] == ids_column)


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
    except UnicodeDecodeError as error:
        raise SourceError(f"{file.path}: a name or a text in the file is not UTF-8 ({error})") from error
    except OSError as error:
        raise SourceError(f"{file.path}: cannot read the file ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
