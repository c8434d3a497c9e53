import gzip
import pickle
from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

import indexing.splits
from indexing.documents import BadDocuments, DocumentFields
from indexing.errors import BadDocumentError, SourceError
from indexing.packed_files import open_source
from indexing.reading import read_part
from indexing.sources import find_corpus
from indexing.splits import Split, splits_of
from tests.unit.indexing.reading import json_lines, read_all


@pytest.fixture
def small_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in (("_MOST_SPLIT_BYTES", 100), ("_LEAST_SPLIT_BYTES", 100), ("_LEAST_PACKED_BYTES", 50)):
        monkeypatch.setattr(indexing.splits, name, size)


def splits_in(folder: Path) -> tuple[Split, ...]:
    return splits_of(find_corpus([folder]))


def documents_of(splits: Sequence[Split]) -> list[str]:
    """Returns the metadata line of every document, read split by split."""
    bad = BadDocuments(skip=False)
    fields = DocumentFields("text", None)
    return [
        document.metadata_line
        for split in splits
        for part in split.files
        for document in read_part(part, fields, bad, lambda size: None)
    ]


@given(
    lines=st.lists(st.integers(0, 30), max_size=20),
    wanted=st.integers(1, 60),
    read=st.integers(1, 40),
    ends=st.booleans(),
)
def test_parts_of_a_file_tile_it_and_know_their_lines(
    tmp_path_factory: pytest.TempPathFactory, lines: list[int], wanted: int, read: int, ends: bool
) -> None:
    content = b"\n".join(b"x" * length for length in lines) + (b"\n" if ends else b"")
    for suffix, pack in (("", bytes), (".gz", gzip.compress), (".zst", zstandard.compress)):
        path = tmp_path_factory.mktemp("run") / f"a.jsonl{suffix}"
        path.write_bytes(pack(content))
        (file,) = find_corpus([path]).files
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(indexing.splits, "_READ_BYTES", read)
            parts = list(indexing.splits._line_parts(file, wanted))
        found = b""
        for part in parts:
            assert part.first_record == found.count(b"\n")
            assert found == b"" or found.endswith(b"\n")
            with open_source(part, lambda size: None) as stream:
                found += stream.read()
        assert found == content
        assert parts[-1].end is None or parts[-1].end == len(content)
        assert len(parts) <= max(1, -(-len(content) // wanted))


@pytest.mark.usefixtures("small_splits")
@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_large_file_is_cut_and_read_as_the_whole(tmp_path: Path, suffix: str) -> None:
    content = json_lines(*({"text": f"text {number}"} for number in range(200)))
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix]
    (tmp_path / f"a.jsonl{suffix}").write_bytes(pack(content))
    splits = splits_in(tmp_path)
    assert len(splits) > 2
    assert documents_of(splits) == [document.metadata_line for document in read_all(tmp_path)]
    assert sum(split.size_bytes for split in splits) == (tmp_path / f"a.jsonl{suffix}").stat().st_size


@pytest.mark.usefixtures("small_splits")
def test_row_groups_are_dealt_out(tmp_path: Path) -> None:
    table = pyarrow.table({"text": [f"text {number}" for number in range(50)]})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet", row_group_size=7)
    splits = splits_in(tmp_path)
    assert len(splits) == 8
    assert documents_of(splits) == [document.metadata_line for document in read_all(tmp_path)]
    assert sum(split.size_bytes for split in splits) == (tmp_path / "a.parquet").stat().st_size


@pytest.mark.usefixtures("small_splits")
def test_a_parquet_file_without_rows_is_one_part(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"text": pyarrow.array([], pyarrow.string())}), tmp_path / "a.parquet")
    (split,) = splits_in(tmp_path)
    assert documents_of([split]) == []


@pytest.mark.usefixtures("small_splits")
def test_small_files_share_a_split_and_keep_their_order(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / f"{number}.txt").write_text("x" * 40)
    splits = splits_in(tmp_path)
    assert [[part.file.name for part in split.files] for split in splits] == [
        [f"{number}.txt", f"{number + 1}.txt"] for number in range(0, 10, 2)
    ]
    assert [split.number for split in splits] == list(range(5))


def test_packed_files_of_a_large_corpus_are_not_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.splits, "_LEAST_PACKED_BYTES", 20)
    monkeypatch.setattr(indexing.splits, "_CUT_IF_PACKED_BYTES", 10)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(json_lines(*({"text": str(n)} for n in range(500)))))
    (split,) = splits_in(tmp_path)
    assert split.files[0].end is None


@pytest.mark.usefixtures("small_splits")
def test_a_bad_line_in_a_later_part_is_named_by_its_line_in_the_file(tmp_path: Path) -> None:
    lines = json_lines(*({"text": f"text {number}"} for number in range(60)))
    (tmp_path / "a.jsonl").write_bytes(lines + b"not json\n" + lines)
    with pytest.raises(BadDocumentError, match=r"a\.jsonl:61: not valid JSON"):
        documents_of(splits_in(tmp_path))


@pytest.mark.usefixtures("small_splits")
def test_a_truncated_file_is_named_when_it_is_cut(tmp_path: Path) -> None:
    packed = gzip.compress(json_lines(*({"text": f"text {number}"} for number in range(500))))
    (tmp_path / "a.jsonl.gz").write_bytes(packed[:-9])
    with pytest.raises(SourceError, match=r"a\.jsonl\.gz: truncated or corrupt \.gz file"):
        splits_in(tmp_path)


@pytest.mark.usefixtures("small_splits")
def test_splits_can_be_sent_to_workers(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(json_lines(*({"text": str(n)} for n in range(50))))
    splits = splits_in(tmp_path)
    assert pickle.loads(pickle.dumps(splits)) == splits
