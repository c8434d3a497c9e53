"""A build whose index goes to storage: built here, moved there, and gone on with if the storage failed."""

from pathlib import Path

import pytest

import indexing
from index_format.manifest import IndexManifest
from indexing.errors import OutputError, StorageError
from indexing.plan import BuildPlan, RawBytes
from indexing.remote_path import RemotePath
from tests.integration.index_builds import ReportKeeper, make_texts, plan_of, run_index_command, tree_of, write_corpus


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "a.jsonl", make_texts(50))


@pytest.fixture
def undisturbed(tmp_path: Path, source: Path) -> dict[str, str | None]:
    indexing.build(plan_of(source, tmp_path / "undisturbed", shards=2))
    return tree_of(tmp_path / "undisturbed")


def uploaded_plan(source: Path, tmp_path: Path) -> BuildPlan:
    url = RemotePath(f"file://{tmp_path}/store/index")
    return BuildPlan(
        sources=(source,), output=tmp_path / "work" / "index", upload_to=url, tokenizer=RawBytes(), shards=2
    )


def assert_uploaded(tmp_path: Path, undisturbed: dict[str, str | None]) -> None:
    found = tree_of(tmp_path / "store" / "index")
    assert found.pop("uploads.json")
    assert found == undisturbed


def test_the_index_is_on_storage_and_nothing_is_left_here(
    tmp_path: Path, source: Path, undisturbed: dict[str, str | None]
) -> None:
    manifest = indexing.build(uploaded_plan(source, tmp_path))
    assert IndexManifest.load(tmp_path / "store" / "index") == manifest
    assert_uploaded(tmp_path, undisturbed)
    assert list((tmp_path / "work").iterdir()) == []


def test_storage_that_fails_keeps_the_index_here_and_the_same_build_moves_it(
    tmp_path: Path, source: Path, undisturbed: dict[str, str | None]
) -> None:
    in_the_way = tmp_path / "store" / "index" / "shard_00001"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("x")
    with pytest.raises(StorageError):
        indexing.build(uploaded_plan(source, tmp_path))
    assert not (tmp_path / "store" / "index" / "index.json").exists()
    kept = tmp_path / "work" / "index"
    assert {"build.json", "index.json"} <= {entry.name for entry in kept.iterdir()}
    in_the_way.unlink()
    keeper = ReportKeeper()
    indexing.build(uploaded_plan(source, tmp_path), keeper)
    assert [stage for stage, _ in keeper.report.stage_seconds] == ["upload"]
    assert keeper.report.num_documents == 50
    assert_uploaded(tmp_path, undisturbed)


def test_an_index_that_is_on_storage_already_is_not_built_over(tmp_path: Path, source: Path) -> None:
    indexing.build(uploaded_plan(source, tmp_path))
    with pytest.raises(OutputError, match=r"store/index: holds index \w+ already; choose another URL"):
        indexing.build(uploaded_plan(source, tmp_path))
    assert list((tmp_path / "work").iterdir()) == []


def test_the_command_needs_a_place_to_build(source: Path) -> None:
    code, _, err = run_index_command("build", source, "--out", "s3://bucket/index", "--raw-bytes")
    assert code == 2
    assert "Give --work-dir, a folder where the index is built before it is moved to the URL." in err
