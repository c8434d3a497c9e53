"""Adding sidecars to indexes that exist: ours and infini-gram's, whole, damaged and half done."""

import json
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import headwater
import indexing
from index_format.errors import ManifestError
from index_format.layout import (
    CORE_FILES,
    DIRECTORY,
    FAN_OUT,
    SHARD_MANIFEST,
    SIDECARS,
    UNIGRAM,
    numbered,
    shard_folder,
)
from index_format.manifest import IndexManifest, ShardManifest
from indexing.errors import VerificationError
from indexing.plan import TrainedTokenizer
from suffix_engine import ShardIndex, ThreadPool
from tests.integration.index_builds import make_texts, plan_of, run_index_command, write_corpus

TEXTS = make_texts(300)
POOL = ThreadPool(1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of two shards with sidecars, as building makes it."""
    directory = tmp_path_factory.mktemp("built")
    source = write_corpus(directory / "a.jsonl", TEXTS)
    indexing.build(plan_of(source, directory / "index", 2, TrainedTokenizer(300)))
    return directory / "index"


@pytest.fixture
def plain(built: Path, tmp_path: Path) -> Path:
    """The same index as it is without sidecars."""
    directory = Path(shutil.copytree(built, tmp_path / "index"))
    for number in range(2):
        folder = directory / shard_folder(number)
        ShardManifest.load(folder).without_sidecars().save(folder)
        for name in SIDECARS:
            (folder / name).unlink()
    return directory


@pytest.fixture
def accelerated(built: Path, tmp_path: Path) -> Path:
    """A copy to change of the index with sidecars."""
    return Path(shutil.copytree(built, tmp_path / "accelerated"))


def files_of(directory: Path) -> dict[str, bytes]:
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in paths}


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def is_accelerated(folder: Path, width: int = 2, number: int = 0) -> bool:
    return ShardIndex.open(folder, token_width=width, pool=POOL, number=number).is_accelerated


def test_sidecars_added_later_are_those_of_the_build(built: Path, plain: Path) -> None:
    report = indexing.accelerate(plain)
    assert (report.num_shards, report.accelerated) == (2, 2)
    assert [stage for stage, _ in report.stage_seconds] == ["accelerate", "checksums"]
    assert files_of(plain) == files_of(built)
    assert indexing.verify(plain, deep=True).manifest == IndexManifest.load(built)


def test_building_can_leave_the_sidecars_out(built: Path, plain: Path, tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", TEXTS)
    plan = plan_of(source, tmp_path / "other", 2, TrainedTokenizer(300))
    assert indexing.build(replace(plan, accelerate=False)) == IndexManifest.load(built)
    assert files_of(tmp_path / "other") == files_of(plain)


def test_an_index_answers_alike_with_sidecars_and_without(plain: Path, built: Path) -> None:
    with headwater.open(plain) as one, headwater.open(built) as other:
        for answer in TEXTS[:5]:
            assert one.trace(answer).spans == other.trace(answer).spans


def test_a_second_time_nothing_is_done(accelerated: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in accelerated.rglob("*") if path.is_file()}
    report = indexing.accelerate(accelerated)
    assert (report.num_shards, report.accelerated, report.stage_seconds) == (2, 0, ())
    assert {path: path.stat().st_mtime_ns for path in accelerated.rglob("*") if path.is_file()} == before


def test_one_shard_can_be_accelerated_before_another(plain: Path, built: Path) -> None:
    indexing.accelerate(plain, shards=[1])
    assert [shard.is_accelerated for shard in IndexManifest.load(plain).load_shards(plain)] == [False, True]
    indexing.verify(plain, deep=True)
    assert indexing.accelerate(plain).accelerated == 1
    assert files_of(plain) == files_of(built)


def test_sidecars_that_a_crash_left_unlisted_are_used_and_then_listed(accelerated: Path, built: Path) -> None:
    folder = accelerated / shard_folder(0)
    ShardManifest.load(folder).without_sidecars().save(folder)
    assert is_accelerated(folder)
    notes: list[str] = []
    progress = indexing.SilentProgress()
    progress.noted = notes.append  # type: ignore[method-assign]
    indexing.verify(accelerated, progress, deep=True)
    assert len(notes) == 1
    assert "fanout.0 and directory.0 are there but not published" in notes[0]
    assert indexing.accelerate(accelerated).accelerated == 0
    assert files_of(accelerated) == files_of(built)


def test_a_fan_out_that_a_crash_left_alone_is_passed_over_and_built_again(plain: Path, built: Path) -> None:
    folder = plain / shard_folder(1)
    (folder / FAN_OUT).write_bytes(b"anything")
    assert not is_accelerated(folder)
    assert indexing.accelerate(plain).accelerated == 2
    assert files_of(plain) == files_of(built)


@pytest.mark.parametrize("name", SIDECARS)
def test_a_damaged_sidecar_is_named_with_the_remedy_which_helps(accelerated: Path, built: Path, name: str) -> None:
    path = accelerated / shard_folder(1) / name
    flip(path, path.stat().st_size // 2)
    with pytest.raises(VerificationError, match=rf"{name}: content has sha256 .* accelerate DIR --shard 1 --force'"):
        indexing.verify(accelerated, deep=True)
    assert indexing.accelerate(accelerated).accelerated == 0
    assert indexing.accelerate(accelerated, shards=[1], force=True).accelerated == 1
    assert files_of(accelerated) == files_of(built)


@pytest.mark.parametrize("name", SIDECARS)
def test_a_damaged_sidecar_without_checksum_is_found_by_its_content(accelerated: Path, name: str) -> None:
    folder = accelerated / shard_folder(0)
    ShardManifest.load(folder).without_sidecars().save(folder)
    flip(folder / name, 4096 if name == FAN_OUT else 100)
    problems = [str(problem) for problem in indexing.find_problems(accelerated, deep=True).problems]
    assert problems
    for problem in problems:
        assert re.search(
            rf"{name}: .*; build it again with 'headwater index accelerate DIR --shard 0 --force'$", problem
        )
        assert problem.count("headwater index accelerate") == 1


def test_a_listed_sidecar_that_is_gone_is_refused_and_built_again(accelerated: Path, built: Path) -> None:
    (accelerated / shard_folder(0) / DIRECTORY).unlink()
    with pytest.raises(ManifestError, match=r"directory\.0: file is missing"):
        headwater.open(accelerated)
    assert indexing.accelerate(accelerated).accelerated == 1
    assert files_of(accelerated) == files_of(built)


def test_sidecars_of_another_shard_are_replaced(accelerated: Path, built: Path) -> None:
    folders = [accelerated / shard_folder(number) for number in range(2)]
    for name in SIDECARS:
        shutil.copy(folders[1] / name, folders[0] / name)
    ShardManifest.load(folders[0]).without_sidecars().save(folders[0])
    assert indexing.accelerate(accelerated).accelerated == 1
    assert files_of(accelerated) == files_of(built)


def test_a_reader_never_fails_while_sidecars_are_added_and_built_again(plain: Path) -> None:
    folder = plain / shard_folder(0)
    seen: set[bool] = set()
    stop = threading.Event()
    faults: list[Exception] = []

    def read() -> None:
        try:
            while not stop.is_set():
                manifest = IndexManifest.load(plain)
                manifest.load_shard(plain, 0)
                seen.add(is_accelerated(folder))
        except Exception as error:
            faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            indexing.accelerate(plain, force=True)
    finally:
        stop.set()
        reader.join()
    assert faults == []
    assert seen == {False, True}


@pytest.mark.parametrize("layout", ["one folder", "folders"])
def test_a_bare_folder_of_infini_grams_gets_sidecars_and_no_manifest(
    layout: str, plain: Path, built: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    places = []
    for number in range(2):
        folder, name_number = (bare, number) if layout == "one folder" else (bare / f"part-{number}", 0)
        folder.mkdir(parents=True, exist_ok=True)
        for name in CORE_FILES:
            shutil.copy(plain / shard_folder(number) / name, folder / numbered(name, name_number))
        places.append((folder, name_number))
    before = files_of(bare)
    assert indexing.accelerate(bare).accelerated == 2
    for number, (folder, name_number) in enumerate(places):
        assert is_accelerated(folder, number=name_number)
        for name in SIDECARS:
            published = (built / shard_folder(number) / name).read_bytes()
            assert (folder / numbered(name, name_number)).read_bytes() == published
    after = files_of(bare)
    assert len(after) == len(before) + 4
    assert before.items() <= after.items()
    assert indexing.accelerate(bare).accelerated == 0


def test_the_commands_tell_what_they_do(plain: Path) -> None:
    code, out, err = run_index_command("accelerate", plain)
    assert code == 0, err
    assert f"{plain}: 2 of 2 shards accelerated in" in out
    assert "bytes a token), directory" in out
    assert "of disk (" in err.splitlines()[0]
    assert "of memory (" in err.splitlines()[0]
    assert "accelerate: done in" in err
    code, out, err = run_index_command("accelerate", plain, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["num_shards"], report["accelerated"]) == (2, 0)
    assert run_index_command("accelerate", plain)[1].startswith(f"{plain}: already accelerated, 2 shards\n")
    assert "accelerated yes; fan-out" in run_index_command("info", plain)[1]
    assert run_index_command("verify", plain, "--deep")[0] == 0


def test_the_commands_describe_an_index_without_sidecars(plain: Path) -> None:
    assert "accelerated no; 'headwater index accelerate' makes" in run_index_command("info", plain)[1]
    indexing.accelerate(plain, shards=[0])
    assert "accelerated 1 of 2 shards; fan-out" in run_index_command("info", plain)[1]


def test_a_full_disk_ends_the_command_with_one_line_and_leaves_the_index_as_it_was(plain: Path, built: Path) -> None:
    before = IndexManifest.load(plain).load_shards(plain)
    size = (built / shard_folder(0) / FAN_OUT).stat().st_size
    code, out, err = run_index_command("accelerate", plain, limit_bytes=size - 1024)
    assert (code, out) == (1, "")
    assert "could not be accelerated" in err.splitlines()[-1]
    assert "Traceback" not in err
    assert IndexManifest.load(plain).load_shards(plain) == before
    assert not is_accelerated(plain / shard_folder(0))
    indexing.accelerate(plain)
    assert files_of(plain) == files_of(built)


def test_what_cannot_be_accelerated_is_refused_with_one_line(tmp_path: Path, plain: Path) -> None:
    code, out, err = run_index_command("accelerate", tmp_path / "nowhere")
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "no such directory" in err
    code, _, err = run_index_command("accelerate", plain, "--token-width", "4")
    assert code == 1
    assert "tokens of 4 bytes asked for, the index has 2" in err
    code, _, err = run_index_command("accelerate", plain, "--shard", "7")
    assert "asked for shard 7, the index has shards 0 to 1" in err
    assert sorted(path.name for path in (plain / shard_folder(0)).iterdir()) == sorted([*CORE_FILES, SHARD_MANIFEST])


def test_a_shard_whose_core_is_damaged_is_refused_before_anything_is_built(plain: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(plain / shard_folder(0), bare)
    (bare / SHARD_MANIFEST).unlink()
    (bare / UNIGRAM).write_text("1 1\n")
    with pytest.raises(indexing.IndexingError, match=r"unigram\.0"):
        indexing.accelerate(bare)
    assert not (bare / FAN_OUT).exists()
