from pathlib import Path

import pytest

from index_format.errors import PathNameError
from index_format.layout import CORE_FILES, TABLE, UNIGRAM, shard_folder
from index_format.manifest import IndexManifest
from indexing.errors import OutputError
from indexing.living.export import export_index
from indexing.living.import_ import import_index
from indexing.living.remove import remove_documents
from tests.tiny_index import byte_level_tokenizer, write_index

SHARDS = [["the cat sat", "the mat"], ["a cat on the mat"]]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    texts = [text for texts in SHARDS for text in texts]
    return write_index(tmp_path / "index", SHARDS, byte_level_tokenizer(texts), accelerated=True)


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_shards_are_numbered_in_one_folder(index: Path, tmp_path: Path) -> None:
    report = export_index(index, tmp_path / "out")
    stems = [name.removesuffix("0") for name in CORE_FILES]
    assert names_in(tmp_path / "out") == {"tokenizer.json", *(f"{stem}{number}" for stem in stems for number in (0, 1))}
    assert (report.links, report.token_type) == ({"hard": 12}, "u16")
    assert report.index_directories == (str(tmp_path / "out"),)
    assert (tmp_path / "out" / "table.1").samefile(index / shard_folder(1) / TABLE)


def test_version_6_has_a_folder_a_shard_and_no_numbers(index: Path, tmp_path: Path) -> None:
    report = export_index(index, tmp_path / "out", layout="v6")
    names = [name.removesuffix(".0") for name in CORE_FILES]
    wanted = {f"{shard_folder(number)}/{name}" for name in names for number in (0, 1)}
    assert names_in(tmp_path / "out") == {"tokenizer.json", *wanted}
    assert report.index_directories == tuple(str(tmp_path / "out" / shard_folder(number)) for number in (0, 1))


@pytest.mark.parametrize("layout", ["v4", "v6"])
def test_what_is_exported_is_imported_as_the_same_index(layout: str, index: Path, tmp_path: Path) -> None:
    export_index(index, tmp_path / "out", layout="v6" if layout == "v6" else "v4")
    report = import_index([tmp_path / "out"], tmp_path / "again", index / "tokenizer.json", threads=1)
    assert report.manifest.index_id == IndexManifest.load(index).index_id


def test_copies_are_files_of_their_own_and_replace_links(index: Path, tmp_path: Path) -> None:
    export_index(index, tmp_path / "out")
    report = export_index(index, tmp_path / "out", copies=True)
    assert report.links == {"copy": 12}
    copied = tmp_path / "out" / "table.1"
    original = index / shard_folder(1) / TABLE
    assert not copied.samefile(original)
    assert copied.read_bytes() == original.read_bytes()
    stamp = copied.stat().st_mtime_ns
    export_index(index, tmp_path / "out", copies=True)  # again, as after an interruption
    assert copied.stat().st_mtime_ns == stamp


def test_counts_of_bytes_are_left_out(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", SHARDS)
    report = export_index(index, tmp_path / "out")
    assert report.token_type == "u8"
    assert not (tmp_path / "out" / UNIGRAM).exists()
    assert any("misreads counts" in note for note in report.notes)


def test_removed_documents_are_spoken_of(index: Path, tmp_path: Path) -> None:
    remove_documents(index, ids=["0:0"])
    report = export_index(index, tmp_path / "out")
    assert any("1 documents that are marked as removed are in what is exported" in note for note in report.notes)


def test_a_place_that_is_taken_or_cannot_be_told_apart_is_refused(index: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(OutputError, match=r"not empty, it holds mine\.txt"):
        export_index(index, tmp_path / "out")
    with pytest.raises(OutputError, match="is no directory"):
        export_index(index, tmp_path / "out" / "mine.txt")
    with pytest.raises(PathNameError, match="'table'"):
        export_index(index, tmp_path / "stable")
    assert names_in(tmp_path / "out") == {"mine.txt"}
