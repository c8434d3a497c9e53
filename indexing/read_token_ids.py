"""Reads arrays of token ids (``.npy``): documents between separators, or one a row."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import numpy.typing as npt

from indexing.documents import BadDocuments, Document, DocumentFields, RecordPlace, tokenized_document
from indexing.errors import BadDocumentError, SourceError
from indexing.sources import SourceFile, SplitFile

_IdArray = npt.NDArray[np.integer[Any]]

# Looked through for separators at a time.
_BLOCK_IDS = 1 << 20
# What numpy raises for a header, which it reads as Python would.
_BAD_HEADER = (ValueError, EOFError, OverflowError, SyntaxError, TokenError, TypeError, RecursionError, MemoryError)


def read_token_ids(
    part: SplitFile, fields: DocumentFields, bad: BadDocuments, read: Callable[[int], None]
) -> Iterator[Document]:
    """Yields the documents of a file, numbered from 0; see `reading.read_documents`.

    An array of one dimension needs ``fields.separator``; it may end with one. The file is mapped, not held in memory.
    """
    file = part.file
    array = _opened(file)
    told = 0
    for number, token_ids in enumerate(_documents(array, fields.separator, file)):
        try:
            document = tokenized_document(token_ids, {}, RecordPlace(file.path, file.name, number), fields)
        except BadDocumentError as error:
            bad.report(error)
        else:
            yield document
        read(token_ids.nbytes)
        told += token_ids.nbytes
    read(file.size_bytes - told)


def _opened(file: SourceFile) -> _IdArray:
    if not isinstance(file.path, Path):
        raise SourceError(f"{file.path}: arrays of token ids are read from local disk only; download it first")
    try:
        array = np.load(file.path, mmap_mode="r", allow_pickle=False)
    except _BAD_HEADER as error:
        raise SourceError(f"{file.path}: truncated or no array of numbers ({error})") from error
    except OSError as error:
        raise SourceError(f"{file.path}: cannot read the file ({error.strerror or error})") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "iu" or array.ndim not in (1, 2):
        found = f"{array.ndim} dimensions of {array.dtype}" if isinstance(array, np.ndarray) else "an archive"
        raise SourceError(f"{file.path}: {found}, expected an array of 1 or 2 dimensions of whole numbers, token ids")
    return array


def _documents(array: _IdArray, separator: int | None, file: SourceFile) -> Iterator[_IdArray]:
    if array.ndim == 2:
        if separator is not None:
            raise SourceError(
                f"{file.path}: an array of 2 dimensions, whose documents are its rows; leave --document-separator out"
            )
        yield from array
        return
    if separator is None:
        raise SourceError(
            f"{file.path}: an array of 1 dimension; name the id that separates its documents with --document-separator"
        )
    start = 0
    for first in range(0, len(array), _BLOCK_IDS):
        for found in np.flatnonzero(array[first : first + _BLOCK_IDS] == separator):
            end = first + int(found)
            yield array[start:end]
            start = end + 1
    if start < len(array):
        yield array[start:]
