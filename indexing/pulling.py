"""Brings an index, or some of its shards, from storage to this machine's disk."""

import errno
import hashlib
import os
import shutil
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from index_format.errors import IndexFormatError
from index_format.layout import CORE_FILES, INDEX_MANIFEST, SHARD_MANIFEST, shard_folder
from index_format.manifest import FileEntry, IndexManifest, ShardManifest, flush_directory, write_durably
from indexing.disk_needs import format_bytes
from indexing.errors import DiskFullError, OutputError, PlanError, VerificationError
from indexing.file_lock import file_lock
from indexing.progress import Progress, SilentProgress, Stages
from indexing.remote_index import IndexFile, RemoteIndex, files_beside, shard_files
from indexing.remote_path import RemotePath
from indexing.remote_pieces import ReadableFile, open_pieces
from indexing.remote_ranges import Connections, connections
from indexing.remote_record import MovedFile, MoveRecord, MoveReport

# In a directory whose index is not whole yet: which files are. It is removed at the end.
PULL_RECORD = "pull.json"
PULL_LOCK = "pull.lock"
DEFAULT_CONNECTIONS = 8
MAX_CONNECTIONS = 256
_OURS = {PULL_RECORD, f"{PULL_RECORD}.tmp", PULL_LOCK, "lost+found"}
_CHUNK_BYTES = 4 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT)


def pull(
    url: RemotePath,
    directory: Path,
    progress: Progress | None = None,
    *,
    shards: Collection[int] | None = None,
    num_connections: int = DEFAULT_CONNECTIONS,
) -> MoveReport:
    """Brings an index from storage into ``directory``; ``index.json`` comes last, so nobody opens half of it.

    Every file is compared with its published checksum before it gets its name. What an earlier attempt brought is kept:
    whole files are not looked at again, one that broke off goes on where it ended. A directory that holds some shards
    of this index can be given more, and sidecars that were made since.

    Args:
        url: A folder on storage with a finished index.
        directory: New, empty, left by an earlier attempt, or with this index (or an earlier generation) in it.
        progress: Listens.
        shards: Numbers of the shards to bring; None for all. With none of them comes what a coordinator reads:
            manifest and tokenizer.
        num_connections: Requests made at a time; each holds 8 MiB.

    Raises:
        PlanError: the index has no such shard, or ``num_connections`` is out of range.
        IndexFormatError: there is no index at the URL, or its manifests disagree.
        OutputError: the directory holds something else, or cannot be written.
        DiskFullError: it has too little room.
        IndexBusyError: another process pulls into it.
        VerificationError: a file on the storage is not what was published.
        StorageError: the storage refuses or cannot be reached; what has come is kept for the next attempt.
    """
    if not 1 <= num_connections <= MAX_CONNECTIONS:
        raise PlanError(f"{num_connections} connections, expected 1 to {MAX_CONNECTIONS}")
    stages = Stages(progress or SilentProgress())
    remote = RemoteIndex.open(url)
    numbers = _wanted(remote, shards)
    _check_directory(directory, remote)
    found = [remote.shard(number) for number in numbers]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        busy = f"{directory}: another 'headwater index pull' is at work on this directory; wait for its end"
        with file_lock(directory / PULL_LOCK, busy), connections(num_connections) as lines:
            return _Pull(remote, directory, lines, stages).bring(found)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFullError(
                f"{directory}: no room left on the disk ({error.strerror}); free some and run the same command again, "
                "it continues"
            ) from error
        raise OutputError(f"{error.filename or directory}: cannot write the index ({error.strerror})") from error


def _wanted(remote: RemoteIndex, shards: Collection[int] | None) -> Sequence[int]:
    numbers = range(remote.manifest.num_shards)
    if shards is None:
        return numbers
    for number in shards:
        if number not in numbers:
            raise PlanError(f"{remote.path}: asked for shard {number}, the index has shards 0 to {numbers[-1]}")
    return sorted(set(shards))


def _check_directory(directory: Path, remote: RemoteIndex) -> None:
    """Checks that a directory may get the index.

    Raises:
        OutputError: it holds something else.
    """
    if not directory.exists():
        return
    if not directory.is_dir():
        raise OutputError(f"{directory}: is a file, expected a directory")
    if (directory / INDEX_MANIFEST).exists():
        found = IndexManifest.load(directory)
        if found.index_id != remote.manifest.index_id and found.generation >= remote.manifest.generation:
            raise OutputError(
                f"{directory}: holds index {found.index_id}, the one at {remote.path} is {remote.manifest.index_id}; "
                "choose another directory"
            )
    elif not (directory / PULL_RECORD).exists() and (strange := {path.name for path in directory.iterdir()} - _OURS):
        raise OutputError(
            f"{directory}: the directory is not empty, found {min(strange)!r}; choose another, or empty it first"
        )


class _Pull:
    """One download, and what of it is done."""

    def __init__(self, remote: RemoteIndex, directory: Path, lines: Connections, stages: Stages):
        self._remote = remote
        self._directory = directory
        self._lines = lines
        self._stages = stages
        self._moved_bytes = 0
        self._record = MoveRecord()
        with suppress(FileNotFoundError):
            self._record = MoveRecord.parse((directory / PULL_RECORD).read_bytes())

    def bring(self, shards: Sequence[tuple[ShardManifest, bytes]]) -> MoveReport:
        """Brings the files of ``shards``, given with the bytes of their manifests, then all that is beside them."""
        files = [file for shard, _ in shards for file in shard_files(shard)]
        size_bytes = sum(file.size_bytes or 0 for file in files)
        listed = {shard.shard: self._listed(shard) for shard, _ in shards}
        here = {file for file in files if self._is_here(file, listed)}
        self._check_disk([file for file in files if file not in here])
        self._save_record()
        with self._stages.stage("download", size_bytes, "bytes") as progress:
            if here:
                progress.found_done(sum(file.size_bytes or 0 for file in here))
            for shard, content in shards:
                folder = self._directory / shard_folder(shard.shard)
                folder.mkdir(exist_ok=True)
                for file in shard_files(shard):
                    if file not in here:
                        self._fetch(file, progress)
                _replace(folder / SHARD_MANIFEST, content)
            for file in files_beside(self._remote.manifest):
                if _sha256_of(self._directory / file.name) != file.sha256:
                    self._fetch(file, progress)
        manifest = self._remote.manifest
        for shard, _ in shards:
            manifest.load_shard(self._directory, shard.shard)
        _replace(self._directory / INDEX_MANIFEST, self._remote.content)
        (self._directory / PULL_RECORD).unlink(missing_ok=True)
        seconds = dict(self._stages.seconds)["download"]
        return MoveReport(manifest.index_id, len(shards), size_bytes, self._moved_bytes, seconds)

    def _listed(self, shard: ShardManifest) -> dict[str, FileEntry]:
        """Returns the files that the shard's manifest on disk lists; none if there is none.

        Raises:
            OutputError: it is another shard, whose files a server may have open.
        """
        folder = self._directory / shard_folder(shard.shard)
        try:
            found = ShardManifest.load(folder).files
        except IndexFormatError:
            return {}
        changed = [name for name in CORE_FILES if name in found and found[name] != shard.files.get(name)]
        if changed and (self._directory / INDEX_MANIFEST).exists():
            raise OutputError(
                f"{folder / changed[0]}: is of another generation of the index than the one at {self._remote.path}; "
                "pull into a new directory"
            )
        return dict(found)

    def _is_here(self, file: IndexFile, listed: dict[int, dict[str, FileEntry]]) -> bool:
        """Says whether a file has come whole, by an earlier attempt's record or by the manifest that came after it."""
        path = self._directory / file.name
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        if status.st_size != file.size_bytes:
            return False
        known = self._record.files.get(file.name)
        if known == MovedFile(file.sha256, status.st_size, str(status.st_mtime_ns)):
            return True
        entry = FileEntry(status.st_size, file.sha256)
        return any(
            entries.get(path.name) == entry and shard_folder(number) == path.parent.name
            for number, entries in listed.items()
        )

    def _check_disk(self, files: Sequence[IndexFile]) -> None:
        missing_bytes = 0
        for file in files:
            part = _part_of(self._directory / file.name)
            come = part.stat().st_size if part.exists() else 0
            missing_bytes += max(0, (file.size_bytes or 0) - come)
        free_bytes = shutil.disk_usage(self._directory).free
        if missing_bytes > free_bytes:
            raise DiskFullError(
                f"{self._directory}: {format_bytes(missing_bytes)} are still to come, the disk has room for "
                f"{format_bytes(free_bytes)}; free some, choose another disk, or pull fewer shards with --shard"
            )

    def _fetch(self, file: IndexFile, progress: Progress) -> None:
        """Downloads one file, checks it, and gives it its name."""
        place = self._remote.path.joined(file.name)
        source = open_pieces(self._remote.store, place, file.size_bytes)
        path = self._directory / file.name
        part = _part_of(path)
        begun = part.exists()
        found = self._append(source, part, progress)
        if found != file.sha256 and begun:  # it may be the beginning of what was there before
            part.unlink()
            found = self._append(source, part, progress)
        if found != file.sha256:
            part.unlink()
            raise VerificationError(
                f"{place}: content has sha256 {found}, {file.sha256} was published; the file on the storage is "
                "damaged, push the index again"
            )
        part.replace(path)
        flush_directory(path.parent)
        status = path.stat()
        self._record.files[file.name] = MovedFile(file.sha256, status.st_size, str(status.st_mtime_ns))
        self._save_record()

    def _append(self, source: ReadableFile, part: Path, progress: Progress) -> str:
        """Brings what ``part`` lacks of a file, flushes it, and returns the checksum of the whole."""
        digest = hashlib.sha256()
        with part.open("a+b") as stream:
            if stream.tell() > source.size_bytes:
                stream.truncate(0)
            stream.seek(0)
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
            if come := stream.tell():
                progress.found_done(come)
            for content in self._lines.read(source, come):
                stream.write(content)
                digest.update(content)
                progress.advanced(len(content))
                self._moved_bytes += len(content)
            stream.flush()
            os.fsync(stream.fileno())
        return digest.hexdigest()

    def _save_record(self) -> None:
        write_durably(self._directory / PULL_RECORD, self._record.to_json())


def _part_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _replace(path: Path, content: bytes) -> None:
    """Writes a small file durably, unless it is what it should be: a reader that watches it has nothing to do."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    write_durably(path, content)


def _sha256_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""
