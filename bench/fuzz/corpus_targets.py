"""Files of a corpus, which come from anywhere: JSON lines plain and packed, Parquet, arrays of token ids, text."""

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import zstandard

from bench.fuzz.structure import changed_json
from bench.fuzz.target import Target, Workplace
from indexing.documents import BadDocuments, DocumentFields
from indexing.errors import SourceError
from indexing.reading import read_documents
from indexing.sources import find_corpus

_RECORDS = [
    {"text": f"document {number}, naïvely \U0001f600", "id": number, "score": 1.5, "tags": ["a", {"b": None}]}
    for number in range(5)
]
_LINES = b"".join(json.dumps(record, ensure_ascii=False).encode() + b"\n" for record in _RECORDS)


def _reader(path: Path, fields: DocumentFields) -> Callable[[bytes], None]:
    """Returns what reads a file with some content, first skipping bad documents and then stopping at one."""

    def run(content: bytes) -> None:
        path.write_bytes(content)
        for skip in (True, False):
            try:
                for document in read_documents(find_corpus([path]), fields, BadDocuments(skip=skip), lambda _: None):
                    document.text.encode()
                    assert "\n" not in document.metadata_line
                    json.loads(document.metadata_line)
            except SourceError:
                pass

    return run


def json_lines(place: Workplace) -> Target:
    """JSON lines as they are."""
    words = (b'"text"', b"\n", b"\xef\xbb\xbf", b'\\"', b"\\", b"1e400", b"{", b"}", b'{"text": ' * 300)
    lines = [_LINES, *_LINES.splitlines()]
    return Target(_reader(Path(place.folder) / "a.jsonl", DocumentFields("text", None)), lines, words, changed_json())


def packed_lines(place: Workplace) -> Target:
    """JSON lines in gzip and in Zstandard; the first byte says which."""
    fields = DocumentFields("text", None)
    readers = [_reader(Path(place.folder) / name, fields) for name in ("a.jsonl.gz", "a.jsonl.zst")]
    long_lines = _LINES * 40
    seeds = [
        b"\0" + gzip.compress(_LINES),
        b"\0" + gzip.compress(long_lines) + gzip.compress(_LINES),
        b"\1" + zstandard.compress(long_lines),
        b"\1" + zstandard.ZstdCompressor(write_checksum=True).compress(_LINES) + zstandard.compress(b"\n" * 100_000),
    ]

    def run(content: bytes) -> None:
        readers[content[0] % 2 if content else 0](content[1:])

    return Target(run, seeds, (b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18\xff\xff\xff\xff"))


def parquet_files(place: Workplace) -> Target:
    """Parquet of texts and of token ids; the first byte says which is asked for."""
    folder = Path(place.folder)
    ids = pyarrow.array([[1, 2, 3], [], [4]], pyarrow.list_(pyarrow.int32()))
    table = pyarrow.table({"text": ["one", "two", "three"], "n": [1.5, None, 2.0], "ids": ids})
    seeds = []
    for options in ({"compression": "none"}, {"compression": "zstd"}, {"use_dictionary": False, "row_group_size": 1}):
        packed = io.BytesIO()
        pyarrow.parquet.write_table(table, packed, **options)
        seeds += [b"\0" + packed.getvalue(), b"\1" + packed.getvalue()]
    readers = (
        _reader(folder / "a.parquet", DocumentFields("text", None)),
        _reader(folder / "b.parquet", DocumentFields("text", None, ids="ids", end_of_ids=10)),
    )

    def run(content: bytes) -> None:
        readers[content[0] % 2 if content else 0](content[1:])

    return Target(run, seeds, (b"PAR1", b"text", b"ids"))


def id_arrays(place: Workplace) -> Target:
    """Arrays of token ids (``.npy``), between separators."""
    seeds = []
    for array in (np.array([1, 2, 0, 3], dtype="<u2"), np.ones((3, 4), dtype="<i4"), np.arange(5, dtype=">u8")):
        content = io.BytesIO()
        np.save(content, array)
        seeds.append(content.getvalue())
    fields = DocumentFields("text", None, separator=0, end_of_ids=10)
    words = (b"'descr'", b"'<u4'", b"'O'", b"'shape': (1000000000000,)", b"True", b"(", b"'|V99'", b"\x93NUMPY\x02\x00")
    return Target(_reader(Path(place.folder) / "a.npy", fields), seeds, words)


def text_files(place: Workplace) -> Target:
    """Plain text."""
    seeds = ["One document, naïvely \U0001f600.\n".encode() * 9]
    return Target(_reader(Path(place.folder) / "a.txt", DocumentFields("text", None)), seeds)
