"""Checks that the metadata of a shard is one JSON object a line, a line a document, each where it is said to start."""

import json
import os
import random
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pydantic_core

from index_format.layout import METADATA, METAOFF
from indexing.errors import VerificationError

# Documents of a sample that are looked at together.
DOCUMENTS_PER_RUN = 512
_U64 = struct.Struct("<Q")


def all_lines_checked(
    folder: Path, num_documents: int, looked_at: Callable[[int], None]
) -> Iterator[VerificationError]:
    """Yields what is wrong with any line; ``looked_at`` is told their number at the end. Memory: the longest line."""
    path, starts_path = folder / METADATA, folder / METAOFF
    position = num_lines = 0
    try:
        with path.open("rb") as lines, starts_path.open("rb") as starts:
            for line in lines:
                num_lines += 1
                if starts.read(_U64.size) != _U64.pack(position):
                    yield VerificationError(
                        f"{path}:{num_lines}: a line starts at byte {position}, which {starts_path.name} does not say"
                    )
                    return  # nor would it say so of any line after
                if reason := _wrong_with(line):
                    yield VerificationError(f"{path}:{num_lines}: {reason}")
                position += len(line)
            if num_lines != num_documents or starts.read(1):
                yield VerificationError(f"{path}: {num_lines} lines, expected {num_documents}: one a document")
    finally:
        looked_at(num_lines)


def some_lines_checked(
    folder: Path, num_documents: int, share: float, seed: int, looked_at: Callable[[int], None]
) -> Iterator[VerificationError]:
    """Yields what is wrong with a sample of the lines; ``looked_at`` is told the number of documents."""
    path = folder / METADATA
    num_runs = -(-num_documents // DOCUMENTS_PER_RUN)
    generator = random.Random(f"{seed} {folder.name}")  # noqa: S311 - a reproducible draw, not a secret
    chosen = generator.sample(range(num_runs), max(1, round(num_runs * share)))
    with path.open("rb") as lines, (folder / METAOFF).open("rb") as starts:
        size = os.fstat(lines.fileno()).st_size
        for run in sorted(chosen):
            first = run * DOCUMENTS_PER_RUN
            end = min(num_documents, first + DOCUMENTS_PER_RUN)
            starts.seek(first * _U64.size)
            places = [place for (place,) in _U64.iter_unpack(starts.read((end - first + 1) * _U64.size))]
            places += [size] * (end - first + 1 - len(places))
            for document, (start, stop) in enumerate(zip(places, islice(places, 1, None), strict=False), first):
                if not 0 <= start < stop <= size:
                    yield VerificationError(f"{path}: the line of document {document} is bytes {start} to {stop}")
                    continue
                lines.seek(start)
                if reason := _wrong_with_piece(lines.read(stop - start)):
                    yield VerificationError(f"{path}: the line of document {document}, at byte {start}: {reason}")
            looked_at(end - first)


def _wrong_with_piece(piece: bytes) -> str:
    if piece.find(b"\n") != len(piece) - 1:
        return "not one line"
    return _wrong_with(piece)


def _wrong_with(line: bytes) -> str:
    """Returns what is wrong with a line; nothing if it holds one JSON object."""
    try:
        # Four times as fast as `json`, but it refuses some of what that takes.
        fields = pydantic_core.from_json(line)
    except ValueError:
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError) as error:
            return f"not valid JSON ({error})"
    return "" if isinstance(fields, dict) else f"expected a JSON object, found {type(fields).__name__}"
