"""A build whose index goes to storage: built here, moved there, and gone on with if the storage failed."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import indexing
from index_format.manifest import IndexManifest
from indexing.disk_needs import tree_bytes
from indexing.errors import OutputError, StorageError
from indexing.output import BuildDirectory
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
    tmp_path: Path, source: Path, undisturbed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indexing.storage._PAUSES_S", (0.01,))
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


@pytest.mark.parametrize("last", ["index.json", "shard_00000", "shard_00001", "tokenizer.json"])
def test_a_build_that_was_killed_while_it_cleared_up_here_ends_when_it_is_run_again(
    tmp_path: Path, source: Path, undisturbed: dict[str, str | None], monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("indexing.output.BuildDirectory.remove_index", lambda build: fail_before(last, build))
        # What a signal that cannot be caught leaves: no handler of the directory runs either.
        patched.setattr("indexing.output.BuildDirectory.discard", lambda build: None)
        with pytest.raises(KeyboardInterrupt):
            indexing.build(uploaded_plan(source, tmp_path))
    kept = tmp_path / "work" / "index"
    assert (kept / "build.json").exists()
    (kept / "notes.txt").write_text("mine")
    (kept.parent / "index.uploaded").mkdir()
    keeper = ReportKeeper()
    manifest = indexing.build(uploaded_plan(source, tmp_path), keeper)
    assert manifest == IndexManifest.load(tmp_path / "store" / "index")
    assert (keeper.report.num_documents, keeper.report.continued, keeper.report.stage_seconds) == (50, True, ())
    assert keeper.report.index_bytes == tree_bytes(tmp_path / "undisturbed")
    assert_uploaded(tmp_path, undisturbed)
    assert [path.relative_to(kept.parent).as_posix() for path in sorted(kept.parent.rglob("*"))] == [
        "index",
        "index/notes.txt",
        "index.uploaded",
    ]


def fail_before(last: str, build: BuildDirectory) -> None:
    """Removes an index up to the entry ``last``, and ends there."""
    for name in ("index.json", "shard_00000", "shard_00001", "tokenizer.json"):
        if name == last:
            raise KeyboardInterrupt
        path = build.path / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def test_what_is_left_of_an_upload_is_not_taken_for_a_build_to_another_place(
    tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = uploaded_plan(source, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("indexing.output.BuildDirectory.remove_index", lambda build: fail_before("shard_00000", build))
        with pytest.raises(KeyboardInterrupt):
            indexing.build(plan)
    for place in (None, RemotePath(f"file://{tmp_path}/store/other")):
        with pytest.raises(OutputError, match=r"was uploaded to file://.*/store/index, not to .*; run the command"):
            indexing.build(replace(plan, upload_to=place))
    assert not (tmp_path / "store" / "other").exists()
    indexing.build(plan)
    assert list((tmp_path / "work").iterdir()) == []


def test_the_command_needs_a_place_to_build(source: Path) -> None:
    code, _, err = run_index_command("build", source, "--out", "s3://bucket/index", "--raw-bytes")
    assert code == 2
    assert "Give --work-dir, a folder where the index is built before it is moved to the URL." in err
