import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import indexing
from index_format.errors import IndexNotFoundError, ManifestError
from index_format.layout import (
    METADATA,
    METAOFF,
    OFFSET,
    SIDECARS,
    TABLE,
    TOKENIZED,
    UNIGRAM,
    numbered,
    shard_folder,
)
from index_format.manifest import IndexManifest
from index_format.tokenizer import JsonTokenizer
from indexing.errors import ForeignShardError, PlanError
from indexing.living.import_ import ImportReport, import_index
from tests.tiny_index import byte_level_tokenizer, write_shard

TEXTS = ["the cat sat", "the mat sat on the cat", "a cat", "the end of a mat"]
NAMES = (TOKENIZED, TABLE, OFFSET, METADATA, METAOFF, UNIGRAM)


@pytest.fixture(scope="module")
def tokenizer() -> JsonTokenizer:
    return byte_level_tokenizer(TEXTS)


@pytest.fixture
def tokenizer_file(tokenizer: JsonTokenizer, tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.content)
    return tmp_path / "tokenizer.json"


def foreign(
    folder: Path, texts: list[str], tokenizer: JsonTokenizer, number: int | None = 0, *, metadata: bool = True
) -> Path:
    """Writes a shard as infini-gram does, its files numbered, or without numbers."""
    documents = [ids.tolist() for ids in tokenizer.encode_batch(texts)]
    lines = [{"path": "a.jsonl", "linenum": line, "metadata": {}} for line in range(len(texts))] if metadata else None
    written = write_shard(folder / "new", documents, 2, lines)
    for name in NAMES:
        if (written / name).exists():
            target = name.removesuffix(".0") if number is None else numbered(name, number)
            (written / name).rename(folder / target)
    written.rmdir()
    return folder


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def documents_of(directory: Path) -> list[str]:
    import headwater

    with headwater.open(directory) as opened:
        shards = IndexManifest.load(directory).load_shards(directory)
        ids = [f"default:{shard.shard}:{number}" for shard in shards for number in range(shard.num_documents)]
        return [opened.document(id_, max_tokens=1000).text for id_ in ids]


def do_import(folders: list[Path], output: Path, tokenizer_file: Path) -> ImportReport:
    return import_index(folders, output, tokenizer_file, threads=1, stage="pretraining", source="theirs")


def test_numbered_shards_of_one_folder_become_an_index_of_links(
    tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path
) -> None:
    theirs = tmp_path / "theirs"
    for number in (10, 2):  # taken in the order of numbers, not of names
        foreign(theirs, TEXTS[:2] if number == 2 else TEXTS[2:], tokenizer, number)
    before = snapshot(theirs)
    report = do_import([theirs], tmp_path / "ours", tokenizer_file)
    assert snapshot(theirs) == before
    assert report.links == {"hard": 12}
    assert (report.counted, report.without_metadata) == ((), ())
    assert report.beginning == TEXTS[0]
    manifest = IndexManifest.load(tmp_path / "ours")
    assert manifest == report.manifest
    assert (manifest.num_shards, manifest.num_documents, manifest.dealing) == (2, 4, (1, 1))
    assert (manifest.stage, manifest.source) == ("pretraining", "theirs")
    assert "infini-gram" in manifest.built_by
    assert (tmp_path / "ours" / shard_folder(1) / TABLE).samefile(theirs / "table.10")
    assert documents_of(tmp_path / "ours") == TEXTS
    indexing.accelerate(tmp_path / "ours")
    assert snapshot(theirs) == before
    assert all(shard.is_accelerated for shard in manifest.load_shards(tmp_path / "ours"))


def test_folders_of_version_6_and_folders_inside_a_folder_are_taken(
    tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path
) -> None:
    foreign(tmp_path / "one", TEXTS[:1], tokenizer, None)
    for place in ("b", "a"):
        foreign(tmp_path / "many" / place, TEXTS[1:2] if place == "a" else TEXTS[2:], tokenizer, None)
    do_import([tmp_path / "one", tmp_path / "many"], tmp_path / "ours", tokenizer_file)
    assert documents_of(tmp_path / "ours") == TEXTS


def test_what_is_missing_is_counted_or_left_out_and_said(
    tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path
) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer, metadata=False)
    unigrams = (theirs / UNIGRAM).read_bytes()
    (theirs / UNIGRAM).unlink()
    report = do_import([theirs], tmp_path / "ours", tokenizer_file)
    assert (report.counted, report.without_metadata) == ((0,), (0,))
    assert (tmp_path / "ours" / shard_folder(0) / UNIGRAM).read_bytes() == unigrams
    assert not (theirs / UNIGRAM).exists()
    assert METADATA not in report.manifest.load_shards(tmp_path / "ours")[0].files
    assert documents_of(tmp_path / "ours") == TEXTS


def test_counts_in_the_oldest_format_are_taken(tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    counts = np.zeros(1 << 16, dtype=int)
    for line in (theirs / UNIGRAM).read_text().splitlines():
        token_id, count = map(int, line.split())
        counts[token_id] = count
    (theirs / UNIGRAM).write_text("".join(f"{count}\n" for count in counts))
    do_import([theirs], tmp_path / "ours", tokenizer_file)
    assert documents_of(tmp_path / "ours") == TEXTS


def test_links_are_symbolic_where_they_cannot_be_hard(
    tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, os.strerror(18))

    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    before = snapshot(theirs)
    monkeypatch.setattr(os, "link", refuse)
    report = do_import([theirs], tmp_path / "ours", tokenizer_file)
    assert report.links == {"symbolic": 6}
    assert documents_of(tmp_path / "ours") == TEXTS
    indexing.accelerate(tmp_path / "ours")
    assert snapshot(theirs) == before


def test_sidecars_that_are_there_are_linked_too(tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer, 3)
    indexing.accelerate(theirs)
    report = do_import([theirs], tmp_path / "ours", tokenizer_file)
    assert report.manifest.load_shards(tmp_path / "ours")[0].is_accelerated
    assert (tmp_path / "ours" / shard_folder(0) / SIDECARS[0]).samefile(theirs / numbered(SIDECARS[0], 3))


def offsets(edit: Callable[[np.ndarray], None]) -> Callable[[bytes], bytes]:
    def edited(content: bytes) -> bytes:
        numbers = np.frombuffer(content, np.uint64).copy()
        edit(numbers)
        return numbers.tobytes()

    return edited


def shift_second(numbers: np.ndarray) -> None:
    numbers[1] += 2


def swap(numbers: np.ndarray) -> None:
    numbers[1], numbers[2] = numbers[2], numbers[1]


def past_the_end(numbers: np.ndarray) -> None:
    numbers[-1] = 1 << 40


def odd(numbers: np.ndarray) -> None:
    numbers[1] += 1


def from_the_second(numbers: np.ndarray) -> None:
    numbers += 2


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [
        (OFFSET, offsets(shift_second), r"document 1 should start at byte \d+ with the separator 0xffff"),
        (OFFSET, offsets(swap), r"offset\.0: document 2 starts at byte .* expected starts that ascend from 0"),
        (OFFSET, offsets(past_the_end), r"offset\.0: document 3 starts at byte 1099511627776"),
        (OFFSET, offsets(odd), r"offset\.0: document 1 starts at byte .* in steps of 2"),
        (OFFSET, offsets(from_the_second), r"offset\.0: document 0 starts at byte 2"),
        (OFFSET, lambda content: content[:-3], r"offset\.0: 29 bytes, expected 8 a document"),
        (OFFSET, lambda content: b"", r"offset\.0: 0 bytes"),
        (METAOFF, lambda content: content[:-8], r"metaoff\.0: 3 lines of metadata, the shard has 4 documents"),
        (METAOFF, offsets(odd), "the line of document 1 should start at byte"),
        (UNIGRAM, lambda content: b"5 1\n", r"tokenized\.0: the shard cannot be opened \(.*unigram\.0.*\)"),
        (UNIGRAM, lambda content: b"1000 1\n" + content, r"unigram\.0: token id 1000 occurs, the tokenizer has"),
        (TABLE, lambda content: content[:-1], r"are no tokens of 2 bytes|do not tell how wide a token is"),
        (TOKENIZED, lambda content: content[2:], r"no tokens|do not tell"),
    ],
)
def test_files_that_are_no_shard_are_refused_and_nothing_is_left(
    name: str,
    edit: Callable[[bytes], bytes],
    message: str,
    tokenizer: JsonTokenizer,
    tokenizer_file: Path,
    tmp_path: Path,
) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    (theirs / name).write_bytes(edit((theirs / name).read_bytes()))
    with pytest.raises((ForeignShardError, PlanError), match=message):
        do_import([theirs], tmp_path / "ours", tokenizer_file)
    assert not (tmp_path / "ours" / "index.json").exists()


@pytest.mark.parametrize(("name", "message"), [(OFFSET, "offset.0: not found"), (METADATA, "metadata.0: not found")])
def test_a_file_that_is_missing_is_named(
    name: str, message: str, tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path
) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    (theirs / name).unlink()
    with pytest.raises(ForeignShardError, match=message):
        do_import([theirs], tmp_path / "ours", tokenizer_file)


def test_another_tokenizer_is_refused(tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    small = tmp_path / "small.json"
    small.write_bytes(byte_level_tokenizer(["ab"], 256).content)
    for unigrams in (True, False):
        if not unigrams:
            (theirs / UNIGRAM).unlink()
        with pytest.raises(
            ForeignShardError, match=r"the tokenizer (has|lacks).* name the tokenizer that the index was"
        ):
            do_import([theirs], tmp_path / "ours", small)
    with pytest.raises(PlanError, match="tokens of 2 bytes, name the tokenizer of them"):
        import_index([theirs], tmp_path / "ours", None)


def test_folders_that_hold_no_index_of_theirs_are_named(
    tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    do_import([theirs], tmp_path / "ours", tokenizer_file)
    for folder, message in (
        ("nowhere", "no such directory"),
        ("empty", "neither tokenized.0 nor tokenized found"),
        ("ours", "it is an index of ours"),
    ):
        with pytest.raises(IndexNotFoundError, match=message):
            do_import([tmp_path / folder], tmp_path / "new", tokenizer_file)
    assert not (tmp_path / "new").exists()


def test_an_import_that_was_interrupted_goes_on_with_the_next_shard(
    tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path
) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS[:2], tokenizer, 0)
    foreign(theirs, TEXTS[2:], tokenizer, 1)
    good = (theirs / "unigram.1").read_bytes()
    stamp = (theirs / "unigram.1").stat()
    (theirs / "unigram.1").write_bytes(good[:-2] + b"9\n")
    os.utime(theirs / "unigram.1", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(ForeignShardError, match="cannot be opened"):
        do_import([theirs], tmp_path / "ours", tokenizer_file)
    first = (tmp_path / "ours" / shard_folder(0) / "shard.json").stat().st_mtime_ns
    assert not (tmp_path / "ours" / "index.json").exists()
    (theirs / "unigram.1").write_bytes(good)
    os.utime(theirs / "unigram.1", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    do_import([theirs], tmp_path / "ours", tokenizer_file)
    assert (tmp_path / "ours" / shard_folder(0) / "shard.json").stat().st_mtime_ns == first
    assert documents_of(tmp_path / "ours") == TEXTS
    shutil.rmtree(theirs)  # hard links hold what they name
    assert documents_of(tmp_path / "ours") == TEXTS


def test_lines_are_found_in_their_places(tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    do_import([theirs], tmp_path / "ours", tokenizer_file)
    lines = (tmp_path / "ours" / shard_folder(0) / METADATA).read_text().splitlines()
    assert [json.loads(line)["linenum"] for line in lines] == [0, 1, 2, 3]


def test_an_index_of_another_size_is_noticed_later(
    tokenizer: JsonTokenizer, tokenizer_file: Path, tmp_path: Path
) -> None:
    theirs = foreign(tmp_path / "theirs", TEXTS, tokenizer)
    manifest = do_import([theirs], tmp_path / "ours", tokenizer_file).manifest
    with (theirs / METADATA).open("ab") as file:  # the same file under two names
        file.write(b"{}\n")
    with pytest.raises(ManifestError, match="were published"):
        manifest.load_shards(tmp_path / "ours")
