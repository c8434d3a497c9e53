"""Puts an index on storage: every shard's files, then its manifest, and last the manifest of the index."""

import hashlib
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from index_format.layout import INDEX_MANIFEST, SHARD_MANIFEST, shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from indexing.errors import OutputError, StorageError
from indexing.progress import Progress, SilentProgress, Stages
from indexing.remote_index import IndexFile, RemoteIndex, files_beside, shard_files
from indexing.remote_path import RemotePath
from indexing.remote_pieces import Piece, pieces_of
from indexing.remote_ranges import connections
from indexing.remote_record import MovedFile, MoveRecord, MoveReport
from indexing.remote_sending import PieceContent
from indexing.storage import Store, open_store

# Beside the index: what has been uploaded, so that an interrupted push, or one of a changed index, skips it.
UPLOAD_RECORD = "uploads.json"
_CONNECTIONS = 8


def publish_to(
    directory: Path, url: RemotePath, stages: Stages | None = None, *, read_back: bool = False
) -> MoveReport:
    """Puts the index in ``directory`` into a folder on storage. Readers see it once all of it is there.

    Each file is compared with its published checksum as it is sent, and its size with what arrived. Files that an
    earlier attempt brought there are not sent again.

    Args:
        directory: A finished index.
        url: A folder, which holds nothing, an unfinished push, this index, or an earlier generation with fewer shards.
        stages: Is told.
        read_back: Also read every file that was sent, and compare its checksum.

    Raises:
        IndexFormatError: there is no index, or its manifests or sizes disagree.
        OutputError: another index is at the URL, or an earlier generation of which shards have changed.
        VerificationError: a file is not what was published.
        StorageError: the storage refuses or cannot be reached; what is there is kept for the next attempt.
    """
    stages = stages or Stages(SilentProgress())
    manifest = IndexManifest.load(directory)
    shards = manifest.load_shards(directory)
    _check_place(manifest, shards, url)
    push = _Push(directory, url, read_back=read_back)
    files = [file for shard in shards for file in shard_files(shard)]
    size_bytes = sum(file.size_bytes or 0 for file in files)
    with stages.stage("upload", size_bytes, "bytes") as progress:
        there = {file for file in files if push.is_there(file)}
        if there:
            progress.found_done(sum(file.size_bytes or 0 for file in there))
        for shard in shards:
            for file in shard_files(shard):
                if file not in there:
                    push.send(file, progress)
            push.send_manifest(f"{shard_folder(shard.shard)}/{SHARD_MANIFEST}", shard.to_json())
        for file in files_beside(manifest):
            if not push.is_there(file):
                push.send(file, progress)
        push.send_manifest(INDEX_MANIFEST, manifest.to_json())
    return MoveReport(manifest.index_id, len(shards), size_bytes, push.moved_bytes, dict(stages.seconds)["upload"])


def _check_place(manifest: IndexManifest, shards: Sequence[ShardManifest], url: RemotePath) -> None:
    """Checks that whoever reads at the URL meanwhile gets what is there now, or this, and no mixture.

    Raises:
        OutputError: another index is there, or an earlier generation with a shard of other content.
    """
    found = RemoteIndex.find(url)
    if found is None or found.manifest.index_id == manifest.index_id:
        return
    if found.manifest.generation >= manifest.generation:
        raise OutputError(
            f"{url}: holds index {found.manifest.index_id} already, this is {manifest.index_id}; choose another URL, "
            "or remove what is there first"
        )
    for shard in shards[: found.manifest.num_shards]:
        published, _ = found.shard(shard.shard)
        if published.without_sidecars().files != shard.without_sidecars().files:
            raise OutputError(
                f"{url}/{shard_folder(shard.shard)}: holds other content in the generation that is published there; "
                "push this one to a new URL"
            )


class _Push:
    """One upload, and what of it is done."""

    def __init__(self, directory: Path, url: RemotePath, *, read_back: bool):
        self._directory = directory
        self._url = url
        self._read_back = read_back
        self._store: Store = open_store(url)
        place = url.joined(UPLOAD_RECORD)
        self._record = MoveRecord()
        if self._store.find(place) is not None:
            self._record = MoveRecord.parse(self._store.read(place))
        self.moved_bytes = 0

    def is_there(self, file: IndexFile) -> bool:
        """Says whether an earlier attempt brought a file there, and it is still as it was."""
        return all(self._has(piece, file.sha256) for piece in self._pieces(file))

    def _pieces(self, file: IndexFile) -> list[Piece]:
        size_bytes = (self._directory / file.name).stat().st_size
        return pieces_of(file.name, size_bytes, self._store.largest_bytes)

    def _has(self, piece: Piece, sha256: str) -> bool:
        known = self._record.files.get(piece.name)
        if known is None or known.sha256 != sha256:
            return False
        found = self._store.find(self._url.joined(piece.name))
        return found is not None and (found.size_bytes, found.mark) == (known.size_bytes, known.mark)

    def send(self, file: IndexFile, progress: Progress) -> None:
        """Uploads a file. Of one in pieces, those that are there are read here only, for the checksum of the whole.

        Raises:
            VerificationError: the file is not what was published; its last piece is not there then.
        """
        digest = hashlib.sha256()
        pieces = self._pieces(file)
        for piece in pieces:
            is_there = self._has(piece, file.sha256)
            content = PieceContent(
                self._directory / file.name,
                piece,
                digest,
                expected=file.sha256 if piece is pieces[-1] else None,
                sent=progress.found_done if is_there else progress.advanced,
            )
            if is_there:
                deque(content.chunks(), maxlen=0)
            else:
                place = self._url.joined(piece.name)
                self._store.write(place, content.chunks)
                mark = self._check_arrived(place, piece, content)
                self._note_arrived(piece, MovedFile(file.sha256, piece.end - piece.start, mark))
            digest = content.digest

    def send_manifest(self, name: str, content: bytes) -> None:
        """Uploads a manifest as it was when the push began, in place of one that is there.

        What is at ``directory`` may list files by now that were not sent.
        """
        self._store.write(self._url.joined(name), lambda: [content])

    def _check_arrived(self, place: RemotePath, piece: Piece, content: PieceContent) -> str:
        """Returns the mark of what arrived, whose size, or checksum if that is asked for, is that of what was sent."""
        sent_bytes = piece.end - piece.start
        found = self._store.find(place)
        if found is None or found.size_bytes != sent_bytes:
            held = "nothing" if found is None else f"{found.size_bytes} bytes"
            raise StorageError(f"{place}: {sent_bytes} bytes were sent, the storage has {held}; push again")
        if self._read_back:
            arrived = content.before.copy()
            with connections(_CONNECTIONS) as lines:
                for chunk in lines.read(self._store.open(place)):
                    arrived.update(chunk)
            if arrived.digest() != content.digest.digest():
                raise StorageError(f"{place}: what arrived is not what was sent; push again")
        return found.mark

    def _note_arrived(self, piece: Piece, moved: MovedFile) -> None:
        self.moved_bytes += moved.size_bytes
        self._record.files[piece.name] = moved
        record = self._record.to_json()
        self._store.write(self._url.joined(UPLOAD_RECORD), lambda: [record])
