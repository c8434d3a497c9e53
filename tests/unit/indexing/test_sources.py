import os
from pathlib import Path

import pytest

from indexing.errors import SourceError
from indexing.sources import Packing, SourceKind, find_corpus


def make(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_files_of_a_folder_come_sorted_by_path_and_named_below_it(tmp_path: Path) -> None:
    for name in ("b/2.jsonl", "a.txt", "b/1.jsonl.gz", "c.parquet"):
        make(tmp_path / name)
    assert [file.name for file in find_corpus([tmp_path]).files] == ["a.txt", "b/1.jsonl.gz", "b/2.jsonl", "c.parquet"]


def test_sources_keep_the_order_in_which_they_are_given(tmp_path: Path) -> None:
    later, earlier = make(tmp_path / "z.jsonl"), make(tmp_path / "a.jsonl")
    assert [file.name for file in find_corpus([later, earlier]).files] == ["z.jsonl", "a.jsonl"]


def test_names_of_several_folders_say_which_folder(tmp_path: Path) -> None:
    make(tmp_path / "one/x.txt")
    make(tmp_path / "two/x.txt")
    files = find_corpus([tmp_path / "one", tmp_path / "two"]).files
    assert [file.name for file in files] == ["one/x.txt", "two/x.txt"]


@pytest.mark.parametrize(
    ("name", "kind", "packing"),
    [
        ("a.jsonl", SourceKind.JSON_LINES, Packing.NONE),
        ("a.JSON.GZ", SourceKind.JSON_LINES, Packing.GZIP),
        ("a.ndjson.zst", SourceKind.JSON_LINES, Packing.ZSTANDARD),
        ("a.parquet", SourceKind.PARQUET, Packing.NONE),
        ("a.md.gz", SourceKind.TEXT, Packing.GZIP),
    ],
)
def test_the_name_of_a_file_tells_its_kind_and_packing(
    tmp_path: Path, name: str, kind: SourceKind, packing: Packing
) -> None:
    (file,) = find_corpus([make(tmp_path / name)]).files
    assert (file.kind, file.packing, file.size_bytes) == (kind, packing, 1)


@pytest.mark.parametrize("name", ["a.pdf", "a", "a.parquet.gz", "a.gz"])
def test_a_file_of_unknown_type_is_refused_with_the_types_that_are_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match=r"unknown file type, expected a name ending in \.jsonl"):
        find_corpus([make(tmp_path / name)])


def test_unknown_types_in_a_folder_are_passed_over_and_said(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.pdf", "c.png", ".hidden.txt", ".git/x.txt"):
        make(tmp_path / name)
    notes: list[str] = []
    assert [file.name for file in find_corpus([tmp_path], notes.append).files] == ["a.jsonl"]
    assert notes == [f"passed over {tmp_path / 'b.pdf'} and 1 more: of no type that holds documents"]


def test_a_folder_without_documents_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    make(tmp_path / "a.pdf")
    with pytest.raises(SourceError, match=r"no documents in this folder, found \.pdf; expected"):
        find_corpus([tmp_path])


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.jsonl: no such file or folder"):
        find_corpus([tmp_path / "nowhere.jsonl"])


def test_links_to_folders_are_followed_and_name_the_link(tmp_path: Path) -> None:
    make(tmp_path / "elsewhere/deep/a.txt")
    make(tmp_path / "corpus/b.txt")
    (tmp_path / "corpus/link").symlink_to(tmp_path / "elsewhere")
    assert [file.name for file in find_corpus([tmp_path / "corpus"]).files] == ["b.txt", "link/deep/a.txt"]


@pytest.mark.parametrize("target", ["corpus", "corpus/real", "."], ids=["loop", "sibling", "above"])
def test_a_link_to_a_folder_that_is_read_anyway_is_refused_by_name(tmp_path: Path, target: str) -> None:
    make(tmp_path / "corpus/real/a.txt")
    (tmp_path / "corpus/zlink").symlink_to(tmp_path / target)
    with pytest.raises(SourceError, match=r"corpus/zlink(/corpus)?: a link leads to this folder a second time"):
        find_corpus([tmp_path / "corpus"])


def test_a_link_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    make(tmp_path / "a.txt")
    (tmp_path / "gone").symlink_to(tmp_path / "absent")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    notes: list[str] = []
    find_corpus([tmp_path], notes.append)
    assert notes == [f"passed over {tmp_path / 'gone'} and 1 more: of no type that holds documents"]


def test_a_file_whose_name_is_not_utf8_is_refused_by_name(tmp_path: Path) -> None:
    make(Path(os.fsdecode(os.fsencode(tmp_path / "caf") + b"\xe9" + b".txt")))
    with pytest.raises(SourceError, match=r"/caf\\xe9\.txt: the name of the file is not UTF-8; rename it"):
        find_corpus([tmp_path])


def test_a_file_given_twice_is_refused(tmp_path: Path) -> None:
    file = make(tmp_path / "a.jsonl")
    with pytest.raises(SourceError, match="given twice"):
        find_corpus([tmp_path, file])
