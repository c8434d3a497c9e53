"""``merge-shards`` and ``compact`` against builds of the same documents."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import indexing
from index_format.layout import CORE_FILES, INDEX_MANIFEST, SIDECARS, shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from indexing.building import finish_shards
from indexing.errors import (
    EmptyCorpusError,
    EngineKilledError,
    IndexBusyError,
    OutputError,
    PlanError,
    UnfinishedBuildError,
)
from indexing.living import change_lock
from indexing.living import merge_shards as merging
from indexing.living.compact import compact
from indexing.living.merge_shards import merge_shards
from indexing.living.remove import remove_documents
from indexing.living.rewriting import Effort
from indexing.plan import BuildPlan
from suffix_engine import ShardIndex, ThreadPool
from tests.integration.index_builds import make_texts, plan_of, write_corpus

FILES = (*CORE_FILES, *SIDECARS)
TEXTS = [text for text in make_texts(60) if text]
ONE_THREAD = Effort(threads=1)


def built(root: Path, name: str, shards: int, keep: Callable[[int], bool] = lambda number: True) -> Path:
    """Builds an index of the texts whose number is kept; the others leave empty lines of the corpus, so to speak."""
    source = write_corpus(root / name / "corpus.jsonl", [t if keep(n) else "" for n, t in enumerate(TEXTS)])
    output = root / name / "index"
    indexing.build(plan_of(source, output, shards))
    return output


def content(directory: Path) -> dict[str, bytes]:
    """Returns every file of an index but its manifest, which tells generations apart."""
    paths = (path for path in directory.rglob("*") if path.is_file() and path.name != INDEX_MANIFEST)
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def check_engine(directory: Path) -> None:
    """Checks that the engine finds every shard of an index whole."""
    manifest = IndexManifest.load(directory)
    for shard in manifest.load_shards(directory):
        folder = directory / shard_folder(shard.shard)
        ShardIndex.open(folder, token_width=shard.token_width, pool=ThreadPool(1)).verify()


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("indexes"), "three", 3)


@pytest.fixture
def index(three: Path, tmp_path: Path) -> Path:
    """A copy of an index of three shards, to be changed."""
    return shutil.copytree(three, tmp_path / "index")


@pytest.mark.parametrize("num_shards", [1, 2, 5])
def test_merged_shards_are_those_of_a_build_with_so_many(num_shards: int, three: Path, tmp_path: Path) -> None:
    wanted = built(tmp_path, "wanted", num_shards)
    report = merge_shards(three, tmp_path / "merged", num_shards, effort=ONE_THREAD)
    assert content(tmp_path / "merged") == content(wanted)
    manifest = IndexManifest.load(tmp_path / "merged")
    assert manifest == report.manifest
    assert (manifest.generation, manifest.dealing) == (1, ())
    assert manifest.index_id == IndexManifest.load(wanted).index_id


def test_sorting_in_parts_gives_the_same_bytes(index: Path, tmp_path: Path) -> None:
    remove_documents(index, ids=["0:0", "2:5"])
    in_parts = Effort(threads=1, parts=3)
    for name, how in (("whole", ONE_THREAD), ("parts", in_parts)):
        merge_shards(index, tmp_path / name / "merged", 2, effort=how)
        compact(index, tmp_path / name / "compacted", effort=how)
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_merging_leaves_out_what_was_removed_as_if_it_had_never_been_there(index: Path, tmp_path: Path) -> None:
    removed = {0, 3, 4, 50}
    remove_documents(index, ids=[f"default:{number % 3}:{number // 3}" for number in removed])
    wanted = built(tmp_path, "wanted", 2, lambda number: number not in removed)
    report = merge_shards(index, tmp_path / "merged", 2, effort=ONE_THREAD)
    assert content(tmp_path / "merged") == content(wanted)
    assert (report.left_out, report.manifest.removed_documents, report.manifest.generation) == (4, 0, 2)


def shard_files(directory: Path, shard: int) -> dict[str, bytes]:
    return {name: (directory / shard_folder(shard) / name).read_bytes() for name in FILES}


def test_a_compacted_shard_is_that_of_a_build_without_the_documents(index: Path, tmp_path: Path) -> None:
    removed = {1, 4, 31, 58}  # all of shard 1
    remove_documents(index, ids=[f"{number % 3}:{number // 3}" for number in removed])
    before = content(index)
    report = compact(index, tmp_path / "new", effort=ONE_THREAD)
    assert content(index) == before
    assert (report.left_out, report.rewritten, report.linked) == (4, 1, 2)
    wanted = built(tmp_path, "wanted", 1, lambda number: number % 3 == 1 and number not in removed)
    assert shard_files(tmp_path / "new", 1) == shard_files(wanted, 0)
    for shard in (0, 2):
        for name in FILES:
            folder = shard_folder(shard)
            assert (tmp_path / "new" / folder / name).samefile(index / folder / name)
    manifest = IndexManifest.load(tmp_path / "new")
    assert (manifest.generation, manifest.removed_documents, manifest.dealing) == (2, 0, (1, 1, 1))
    assert manifest.num_documents == len(TEXTS) - 4
    check_engine(tmp_path / "new")
    assert not [path for path in (tmp_path / "new").iterdir() if path.name.startswith(("removed", "build", "work"))]


def test_a_shard_of_which_nothing_is_left_is_dropped(index: Path, tmp_path: Path) -> None:
    number = IndexManifest.load(index).load_shards(index)[0].num_documents
    remove_documents(index, ids=[f"0:{document}" for document in range(number)])
    report = compact(index, tmp_path / "new", effort=ONE_THREAD)
    assert (report.manifest.num_shards, report.rewritten, report.linked) == (2, 0, 2)
    for shard in range(2):
        assert shard_files(tmp_path / "new", shard) == shard_files(index, shard + 1)
    check_engine(tmp_path / "new")


def test_what_cannot_be_rewritten_is_refused_and_leaves_nothing(index: Path, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="no document is removed"):
        compact(index, tmp_path / "new")
    with pytest.raises(PlanError, match=f"{len(TEXTS)} documents cannot fill 99 shards; use --shards {len(TEXTS)}"):
        merge_shards(index, tmp_path / "new", 99)
    with pytest.raises(OutputError, match="holds an index"):
        merge_shards(index, index, 1)
    counts = [shard.num_documents for shard in IndexManifest.load(index).load_shards(index)]
    remove_documents(index, ids=[f"{shard}:{number}" for shard, count in enumerate(counts) for number in range(count)])
    with pytest.raises(EmptyCorpusError, match="every document is removed"):
        compact(index, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def fail_at(monkeypatch: pytest.MonkeyPatch, call: int, task: str) -> None:
    """Lets the engine's process be killed at a task's call of this number, counted from 0."""
    import indexing.engine_call

    calls: list[str] = []
    real = indexing.engine_call.subprocess.Popen

    def popen(command: list[str], **options: object) -> object:
        if task in command:
            calls.append(task)
            if len(calls) == call + 1:
                return real(["bash", "-c", "kill -KILL $$"], **options)
        return real(command, **options)

    monkeypatch.setattr(indexing.engine_call.subprocess, "Popen", popen)


@pytest.mark.parametrize(("task", "call"), [("sort", 0), ("sort", 1)])
def test_an_interrupted_rewrite_goes_on(
    task: str, call: int, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_documents(index, ids=["0:0", "1:1", "2:2"])
    merge_shards(index, tmp_path / "whole", 2, effort=ONE_THREAD)
    with monkeypatch.context() as patch:
        fail_at(patch, call, task)
        with pytest.raises(EngineKilledError):
            merge_shards(index, tmp_path / "merged", 2, effort=ONE_THREAD)
    assert not (tmp_path / "merged" / INDEX_MANIFEST).exists()
    with pytest.raises(UnfinishedBuildError, match="shards: 2 there, 3 asked for"):
        merge_shards(index, tmp_path / "merged", 3, effort=ONE_THREAD)
    texts = {path: path.stat().st_mtime_ns for path in (tmp_path / "merged").rglob("tokenized.0")}
    merge_shards(index, tmp_path / "merged", 2, effort=ONE_THREAD)
    assert content(tmp_path / "merged") == content(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in texts} == texts


def test_a_rewrite_of_an_index_that_has_changed_meanwhile_is_not_continued(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove_documents(index, ids=["0:0", "1:1"])
    with monkeypatch.context() as patch:
        fail_at(patch, 1, "sort")
        with pytest.raises(EngineKilledError):
            compact(index, tmp_path / "new", effort=ONE_THREAD)
    remove_documents(index, ids=["2:2"])
    with pytest.raises(UnfinishedBuildError, match=r"index: 'generation 1, sha256 .* there, 'generation 2, sha256"):
        compact(index, tmp_path / "new", effort=ONE_THREAD)
    compact(index, tmp_path / "new", effort=Effort(threads=1, fresh=True))
    compact(index, tmp_path / "whole", effort=ONE_THREAD)
    assert content(tmp_path / "new") == content(tmp_path / "whole")


def test_nothing_is_removed_from_an_index_while_it_is_rewritten(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object, **__: object) -> None:
        with pytest.raises(IndexBusyError, match="another 'headwater index' command is at work on this index"):
            remove_documents(index, ids=["0:0"])
        raise KeyboardInterrupt

    monkeypatch.setattr(merging, "finish_shards", busy)
    with pytest.raises(KeyboardInterrupt):
        merge_shards(index, tmp_path / "merged", 2, effort=ONE_THREAD)
    assert remove_documents(index, ids=["0:0"]).changed == 1


def test_what_was_removed_all_the_same_is_noticed_where_there_are_no_locks(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(directory: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    def finish(*arguments: Any) -> list[ShardManifest]:
        remove_documents(index, ids=["0:0"])
        return finish_shards(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(change_lock, "change_lock", refuse)
        patch.setattr(merging, "finish_shards", finish)
        with pytest.raises(IndexBusyError, match="documents were added or removed meanwhile"):
            merge_shards(index, tmp_path / "merged", 2, effort=ONE_THREAD)
    assert not (tmp_path / "merged" / INDEX_MANIFEST).exists()
    report = merge_shards(index, tmp_path / "merged", 2, effort=Effort(threads=1, fresh=True))
    assert report.left_out == 1


def test_files_on_another_disk_are_copied(index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, os.strerror(18))

    remove_documents(index, ids=["0:0"])
    monkeypatch.setattr(os, "link", refuse)
    report = compact(index, tmp_path / "new", effort=ONE_THREAD)
    assert sum("copied, as its files cannot be linked" in note for note in report.notes) == 2
    shutil.rmtree(index)
    check_engine(tmp_path / "new")


@pytest.mark.parametrize(("asked", "there"), [(None, False), (True, True)])
def test_sidecars_are_made_where_there_were_some_or_they_are_asked_for(
    asked: bool | None, there: bool, tmp_path: Path
) -> None:
    source = write_corpus(tmp_path / "corpus.jsonl", TEXTS)
    plan = BuildPlan(
        sources=(source,), output=tmp_path / "plain", tokenizer=indexing.RawBytes(), shards=2, accelerate=False
    )
    indexing.build(plan)
    report = merge_shards(tmp_path / "plain", tmp_path / "one", 1, effort=Effort(threads=1, accelerate=asked))
    assert [shard.is_accelerated for shard in report.manifest.load_shards(tmp_path / "one")] == [there]
