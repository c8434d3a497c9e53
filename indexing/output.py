"""The directory an index is built in: taken by one build at a time, kept when it is interrupted, cleared at the end.

Beside the shards it holds ``build.json`` (see `build_journal`), ``build.lock`` while a build is at work, and ``work/``
with the temporary files, unless those have a folder elsewhere.
"""

import errno
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from index_format.layout import BUILD_FILE, INDEX_MANIFEST, TOKENIZER_FILE, shard_folder
from index_format.manifest import flush_directory
from indexing.build_journal import BuildJournal
from indexing.errors import (
    DiskFullError,
    EmptyCorpusError,
    EngineCallError,
    OutputError,
    PlanError,
    UnfinishedBuildError,
)
from indexing.file_lock import file_lock

BUILD_LOCK = "build.lock"
WORK_FOLDER = "work"
_LOCKS = "locks"
_CHUNKS = "chunks"
_SHARD = re.compile(r"shard_[0-9]+")
# What the tasks of a build that was killed may take to end, on other machines too.
_TASK_PATIENCE_S = 60.0
# How the engine ends what the system said.
_OS_ERROR = re.compile(r"\(os error ([0-9]+)\)")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BuildDirectory:
    """Where a build writes: shards from ``first_shard`` on in the directory of the index, and a folder for the rest.

    ``continued`` says whether an earlier attempt began the build.
    """

    def __init__(self, path: Path, work: Path, journal: BuildJournal, first_shard: int = 0, *, continued: bool = False):
        self.path = path
        self.work = work
        self.journal = journal
        self.continued = continued
        self._first_shard = first_shard

    @property
    def tokenizer(self) -> Path:
        """Where the tokenizer is kept as soon as it is known."""
        return self.work / TOKENIZER_FILE

    @property
    def is_published(self) -> bool:
        """Whether a new index was published here, and only what is left of its build has to go."""
        return self._first_shard == 0 and (self.path / INDEX_MANIFEST).exists()

    def note_written(self, written: Mapping[str, Any]) -> None:
        """Keeps in the journal what the shards were made of: from then on no chunk is needed."""
        self.journal = replace(self.journal, written=written)
        self.journal.save(self.path)

    def note_uploaded(self, uploaded: Mapping[str, Any]) -> None:
        """Keeps in the journal that the index is on storage: from then on all that is here has to go."""
        self.journal = replace(self.journal, uploaded=uploaded)
        self.journal.save(self.path)

    def chunk(self, number: int) -> Path:
        """Returns where the chunk of a split is or will be."""
        return self.work / _CHUNKS / f"{number:05d}"

    def lock(self, name: str) -> Path:
        """Returns the lock of the task of this name."""
        return self.work / _LOCKS / name

    def shard(self, number: int) -> Path:
        """Returns the folder of a shard, which it creates if need be."""
        assert number >= self._first_shard, "shards before it belong to an index that is there"
        folder = self.path / shard_folder(number)
        if not folder.is_dir():
            folder.mkdir()
            flush_directory(self.path)
        return folder

    def make_work(self) -> None:
        """Creates the folders of temporary files."""
        for folder in (self.work, self.work / _CHUNKS, self.work / _LOCKS):
            folder.mkdir(exist_ok=True, parents=True)
        flush_directory(self.work)

    def remove_chunks(self) -> None:
        """Removes what shards have been assembled of."""
        shutil.rmtree(self.work / _CHUNKS, ignore_errors=True)

    def remove_work(self) -> None:
        """Removes the temporary files."""
        shutil.rmtree(self.work, ignore_errors=True)

    def finish(self) -> None:
        """Removes all that is not of the index, once it is published: the journal last."""
        self.remove_work()
        (self.path / BUILD_FILE).unlink(missing_ok=True)
        flush_directory(self.path)

    def remove_index(self) -> None:
        """Removes the index and all else that the build made, the journal last; nothing that somebody put beside it."""
        (self.path / INDEX_MANIFEST).unlink(missing_ok=True)  # first: what is half removed is no index
        flush_directory(self.path)
        self.discard()

    def has_work(self) -> bool:
        """Says whether something was finished that is worth going on from."""
        chunks = (self.work / _CHUNKS).glob("*/chunk.json")
        files = (file for folder in self._shards() for file in folder.iterdir())
        trained = self.journal.trains_tokenizer and self.tokenizer.exists()
        return trained or any(True for _ in chunks) or any(True for _ in files)

    def discard(self) -> None:
        """Removes all that the build made inside the directory, the journal last."""
        for lock in (self.work / _LOCKS).glob("*"):
            with task_lock(lock):  # no task that a killed build left behind can write any more
                pass
        for folder in self._shards():
            shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(self.work, ignore_errors=True)
        if not (self.path / INDEX_MANIFEST).exists():
            (self.path / TOKENIZER_FILE).unlink(missing_ok=True)
        for name in (f"{TOKENIZER_FILE}.tmp", f"{INDEX_MANIFEST}.tmp", BUILD_FILE, f"{BUILD_FILE}.tmp"):
            (self.path / name).unlink(missing_ok=True)

    def _shards(self) -> list[Path]:
        first = shard_folder(self._first_shard)
        found = [entry for entry in self.path.iterdir() if _SHARD.fullmatch(entry.name)]
        return [folder for folder in found if (len(folder.name), folder.name) >= (len(first), first)]


@contextmanager
def task_lock(path: Path) -> Iterator[int]:
    """Holds the lock of one task while the body runs, so that one left over by a killed build is never beside it."""
    busy = f"{path}: a task of a build that has ended is still at work; wait for its end and run the command again"
    with file_lock(path, busy, _TASK_PATIENCE_S) as descriptor:
        yield descriptor


@contextmanager
def build_directory(
    path: Path,
    asked: BuildJournal,
    note: Callable[[str], None],
    *,
    work_dir: Path | None = None,
    fresh: bool = False,
    first_shard: int = 0,
) -> Iterator[BuildDirectory]:
    """Takes the directory for the body, which builds there what ``asked`` says and ends with `BuildDirectory.finish`.

    After an exception, what is done is kept for the same command to go on from, and ``note`` is told so; unless nothing
    was finished, or the command cannot succeed on this corpus: then it is removed, and so are folders made here.

    Args:
        path: The directory: new, empty, or with an unfinished build; with an index if shards are added to it.
        asked: What to build.
        note: Told what whoever started the build should know.
        work_dir: Where temporary files go; None for inside ``path``.
        fresh: Remove an unfinished build that is found, whatever it is of.
        first_shard: Number of the first shard to build; those before it are an index that is there.

    Raises:
        OutputError: the directory holds something else, or cannot be written.
        UnfinishedBuildError: it holds an unfinished build of something else.
        IndexBusyError: another build is at work in it.
        DiskFullError: the body ran out of disk.
    """
    made: list[Path] = []
    kept = True
    try:
        _check_content(path, adds=first_shard > 0)
        _make_folders(path, made)
        busy = f"{path}: another build is at work in this directory; wait for its end, or choose another"
        with file_lock(path / BUILD_LOCK, busy):
            _check_content(path, adds=first_shard > 0)  # now that nobody else can change it
            if work_dir is not None:
                _make_folders(work_dir, made)
            build = _begin(path, asked, work_dir, note, first_shard, fresh=fresh)
            try:
                yield build
            except BaseException as error:
                kept = build.has_work() and not isinstance(error, (PlanError, EmptyCorpusError))
                if kept:
                    give_up = "another one with --fresh" if first_shard else "remove it"
                    note(f"{path}: what is done is kept; run the same command to go on, or {give_up} to give up")
                else:
                    with _uninterrupted():
                        build.discard()
                raise
    except BaseException as error:
        with _uninterrupted():
            for folder in reversed(made):
                with suppress(OSError):  # there is something in it, of ours or of somebody else
                    folder.rmdir()
        if isinstance(error, OSError):
            raise _as_output_error(path, error, kept=kept) from error
        if isinstance(error, EngineCallError) and (found := _OS_ERROR.search(str(error))) and int(found[1]) in _FULL:
            raise DiskFullError(f"{error}; the disk is full; {_full_advice(kept=kept)}") from error
        raise


def _as_output_error(path: Path, error: OSError, *, kept: bool) -> OutputError:
    where = error.filename or path
    if error.errno in _FULL:
        return DiskFullError(f"{where}: no room left on the disk ({error.strerror}); {_full_advice(kept=kept)}")
    return OutputError(f"{where}: cannot write the index ({error.strerror or error})")


def _full_advice(*, kept: bool) -> str:
    if kept:
        return "what is done is kept: free some and run the same command again to go on"
    return "what was written is removed; free some, or choose another disk with --out"


def _check_content(path: Path, *, adds: bool) -> None:
    """Checks that the directory is new or empty, or holds an unfinished build, or an index if shards are added."""
    try:
        found = {entry.name for entry in path.iterdir()} if path.exists() else set()
    except OSError as error:
        raise OutputError(f"{path}: cannot create the index there ({error.strerror})") from error
    if adds or found <= {BUILD_LOCK}:
        return
    if BUILD_FILE in found:
        return
    if INDEX_MANIFEST in found:
        raise _holds_an_index(path)
    if shard_folder(0) in found:
        raise OutputError(f"{path}: the directory holds an unfinished index; if no build is at work on it, remove it")
    raise OutputError(f"{path}: the directory is not empty; choose another, or empty it first")


def _make_folders(path: Path, made: list[Path]) -> None:
    missing = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
    try:
        for folder in reversed(missing):
            folder.mkdir()
            made.append(folder)
            flush_directory(folder.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise OutputError(f"{path}: cannot create the index there ({error.strerror})") from error


def _begin(
    path: Path,
    asked: BuildJournal,
    work_dir: Path | None,
    note: Callable[[str], None],
    first_shard: int,
    *,
    fresh: bool,
) -> BuildDirectory:
    """Returns the directory with the build that it holds, or with a new one."""
    if first_shard == 0 and (path / INDEX_MANIFEST).exists():
        return _published(path, asked, work_dir)
    found = None
    if fresh and (path / BUILD_FILE).exists():
        old = BuildJournal.load(path, unreadable_as=asked) or asked
        BuildDirectory(path, work_folder(path, work_dir, old), old, first_shard).discard()
    else:
        found = BuildJournal.load(path)
    journal = asked if found is None else found.continued_by(asked, path)
    work = work_folder(path, work_dir, journal)
    build = BuildDirectory(path, work, journal, first_shard, continued=found is not None)
    if journal != found:
        journal.save(path)
    build.make_work()
    if found is not None:
        note(f"{path}: going on with a build that was interrupted")
    return build


def _published(path: Path, asked: BuildJournal, work_dir: Path | None) -> BuildDirectory:
    """Returns the directory of an index that was published by a build which ended before it had cleared up."""
    found = BuildJournal.load(path)
    try:
        if found is None:
            raise _holds_an_index(path)
        journal = found.continued_by(asked, path)
    except UnfinishedBuildError as error:
        raise _holds_an_index(path) from error
    return BuildDirectory(path, work_folder(path, work_dir, journal), journal, continued=True)


def _holds_an_index(path: Path) -> OutputError:
    return OutputError(f"{path}: the directory is not empty, it holds an index; choose another, or empty it first")


def work_folder(path: Path, work_dir: Path | None, journal: BuildJournal) -> Path:
    """Returns where the temporary files of a build are."""
    return path / WORK_FOLDER if work_dir is None else work_dir / f"headwater-{journal.build_id}"


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Runs the body deaf to Ctrl-C and SIGTERM: a second one must not leave half of the files behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler or signal.SIG_DFL)
