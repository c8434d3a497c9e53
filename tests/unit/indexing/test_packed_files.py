import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from indexing.errors import SourceError
from tests.unit.indexing.reading import json_lines, read_all

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor().compress,
}
# Random enough that the packed file is long as well.
LINES = json_lines(*({"text": f"document {n} {hash((n, 'salt')) % 10**15}"} for n in range(5000)))
packed = pytest.mark.parametrize("suffix", PACKERS)


@packed
def test_packed_lines_are_the_plain_lines(tmp_path: Path, suffix: str) -> None:
    plain, file = tmp_path / "a.jsonl", tmp_path / f"b.jsonl.{suffix}"
    plain.write_bytes(LINES)
    file.write_bytes(PACKERS[suffix](LINES))
    assert [document.text for document in read_all(file)] == [document.text for document in read_all(plain)]


@packed
def test_members_one_after_another_are_one_file(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.jsonl.{suffix}"
    pack = PACKERS[suffix]
    file.write_bytes(pack(json_lines({"text": "a"})) + pack(b"") + pack(json_lines({"text": "b"})))
    assert [document.text for document in read_all(file)] == ["a", "b"]


@packed
def test_bytes_read_are_those_on_disk(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.jsonl.{suffix}"
    file.write_bytes(PACKERS[suffix](LINES))
    read: list[int] = []
    read_all(file, read=read)
    assert sum(read) == file.stat().st_size


@packed
@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_a_truncated_file_is_an_error_and_not_a_shorter_corpus(tmp_path: Path, suffix: str, kept: float) -> None:
    file = tmp_path / f"a.jsonl.{suffix}"
    content = PACKERS[suffix](LINES)
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SourceError, match=rf"a\.jsonl\.{suffix}: truncated or corrupt \.{suffix} file"):
        read_all(file)


@packed
def test_a_file_that_is_not_packed_is_refused(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"a.txt.{suffix}"
    file.write_bytes(b"plain text")
    with pytest.raises(SourceError, match="truncated or corrupt"):
        read_all(file)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.mkdir()
    with pytest.raises(SourceError, match="no documents in this folder"):
        read_all(file)
