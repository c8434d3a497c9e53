"""An index given out for infini-gram is opened by its engine, and what its indexer built is taken in."""

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import headwater
import indexing
from index_format.layout import SIDECARS, UNIGRAM
from index_format.manifest import IndexManifest
from indexing.living.export import export_index
from indexing.living.import_ import import_index
from suffix_engine import ShardIndex, ThreadPool
from tests.interop.infini_gram_reference import Engine, build_shard
from tests.interop.random_corpora import documents_of, queries_of
from tests.tiny_index import byte_level_tokenizer, write_index, write_shard

POOL = ThreadPool(1)
SHARDS = (
    ("the river runs past the mill and the mill grinds the corn.", "naïve café by the river 水の音"),
    ("the mill, the river, the corn and the café",),
    ("the river runs past the mill",),
)


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Not `tmp_path`: infini-gram tells files apart by words in the path, which holds the test's name.
    return tmp_path_factory.mktemp("root")


@pytest.mark.parametrize("layout", ["v4", "v6"])
@pytest.mark.parametrize("copies", [False, True])
def test_their_engine_opens_what_is_exported_and_counts_as_we_do(layout: str, copies: bool, root: Path) -> None:
    tokenizer = byte_level_tokenizer([text for texts in SHARDS for text in texts])
    index = write_index(root / "index", SHARDS, tokenizer, accelerated=True)
    report = export_index(index, root / "out", layout="v6" if layout == "v6" else "v4", copies=copies)
    theirs = Engine([Path(folder) for folder in report.index_directories], 2)
    with headwater.open(index) as ours:
        found = 0
        for query in (" the river", " mill", "the", " corn", " café", "absent"):
            count = ours.count(query).count
            token_ids = tokenizer.encode(query).token_ids.tolist()
            assert sum(end - start for start, end in theirs.find(token_ids)) == count
            found += count
    assert found > 10


def test_an_index_of_bytes_is_exported_without_what_their_engine_misreads(root: Path) -> None:
    index = write_index(root / "index", SHARDS)
    export_index(index, root / "out")
    theirs = Engine([root / "out"], 1)
    with headwater.open(index) as ours:
        assert sum(end - start for start, end in theirs.find(list(b"river"))) == ours.count("river").count == 4


@pytest.mark.parametrize("width", [1, 2])
def test_what_their_indexer_built_is_imported_and_answers_alike(width: int, root: Path) -> None:
    tokenizer = byte_level_tokenizer(["abc"], 256)
    documents = [[token % 250 for token in document] for document in documents_of(3, width, 40, 100)]
    documents[0] = documents[0] or [1]
    folder = build_shard(root / "theirs", documents, width)
    if width == 1:
        (folder / UNIGRAM).unlink()
    (root / "tokenizer.json").write_bytes(tokenizer.content)
    import_index([folder], root / "ours", root / "tokenizer.json" if width == 2 else None)
    indexing.accelerate(root / "ours")
    assert not any((folder / name).exists() for name in SIDECARS)
    assert IndexManifest.load(root / "ours").num_documents == len(documents)
    ours = ShardIndex.open(root / "ours" / "shard_00000", token_width=width, pool=POOL)
    assert ours.is_accelerated
    ours.verify()
    theirs = Engine([folder], width)
    for query in queries_of(3, documents, width):
        mine, [other] = ours.find(query[:3]), theirs.find(query[:3])
        assert mine == other or (mine[0] == mine[1] and other[0] == other[1])


def test_what_their_indexer_of_version_6_built_is_imported(root: Path) -> None:
    tokenizer = byte_level_tokenizer([text for texts in SHARDS for text in texts])
    (root / "tokenizer.json").write_bytes(tokenizer.content)
    for texts, folder in zip(SHARDS, ("a", "b", "c"), strict=True):
        documents = [ids.tolist() for ids in tokenizer.encode_batch(texts)]
        metadata = [{"path": folder, "linenum": line, "metadata": {}} for line in range(len(texts))]
        build_version_6(root / "theirs" / folder, documents, metadata)
    before = {path: path.stat().st_mtime_ns for path in (root / "theirs").rglob("*")}
    report = import_index([root / "theirs"], root / "ours", root / "tokenizer.json", threads=1)
    indexing.verify(root / "ours", threads=1, deep=True)
    assert {path: path.stat().st_mtime_ns for path in (root / "theirs").rglob("*")} == before
    assert report.manifest.num_shards == 3
    with headwater.open(root / "ours") as ours:
        assert ours.count(" the river").count == 2
        assert ours.document("default:1:0", max_tokens=100).text == SHARDS[1][0]


def build_version_6(folder: Path, documents: Sequence[Sequence[int]], metadata: Sequence[Mapping[str, Any]]) -> None:
    """Has infini-gram's indexer of version 6 sort a shard whose text is there, as `build_shard` does with version 4."""
    write_shard(folder, documents, 2, metadata, sort=False)
    for path in list(folder.iterdir()):
        path.rename(path.with_suffix(""))
    open_files = str(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    command = [sys.executable, "-m", "infini_gram.indexing_v6", "--cpus", "1", "--mem", "1", "--ulimit", open_files]
    for name in ("data_dir", "save_dir", "temp_dir"):
        command += [f"--{name}", str(folder)]
    # It imports a package that only its first step would use.
    stub = folder.parent.parent / "stub"
    stub.mkdir(exist_ok=True)
    (stub / "transformers.py").write_text("from unittest.mock import MagicMock\nutils = MagicMock()\n")
    environment = {**os.environ, "TQDM_DISABLE": "1", "PYTHONPATH": str(stub)}
    subprocess.run(command, check=True, capture_output=True, env=environment)
    assert (folder / "table").exists()
