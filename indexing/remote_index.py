"""The files of an index on storage: what they are called, how large they are, which checksum each must have."""

from collections.abc import Iterator
from dataclasses import dataclass

from index_format.errors import IndexNotFoundError, ManifestError
from index_format.layout import (
    CORE_FILES,
    INDEX_MANIFEST,
    SHARD_MANIFEST,
    SIDECARS,
    TOKENIZER_FILE,
    shard_folder,
)
from index_format.manifest import IndexManifest, ShardManifest
from index_format.removed_documents import removed_file
from indexing.remote_path import RemotePath
from indexing.storage import Store, open_store


@dataclass(frozen=True, slots=True)
class IndexFile:
    """A file below the directory of an index, with what its manifest says of it.

    ``size_bytes`` is None where manifests say only the checksum.
    """

    name: str
    sha256: str
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class RemoteIndex:
    """A finished index on storage, and its manifest as it was read."""

    store: Store
    path: RemotePath
    manifest: IndexManifest
    content: bytes

    @classmethod
    def find(cls, path: RemotePath) -> "RemoteIndex | None":
        """Returns the index in a folder on storage, or None if none is published there.

        Raises:
            ManifestError: its manifest cannot be read.
            StorageError: the storage cannot be reached.
        """
        store = open_store(path)
        place = path.joined(INDEX_MANIFEST)
        if store.find(place) is None:
            return None
        content = store.read(place)
        return cls(store, path, IndexManifest.parse(content, str(place)), content)

    @classmethod
    def open(cls, path: RemotePath) -> "RemoteIndex":
        """Returns the index in a folder on storage.

        Raises:
            IndexNotFoundError: there is none.
            ManifestError, StorageError: as `find`.
        """
        found = cls.find(path)
        if found is None:
            raise IndexNotFoundError(
                f"{path}/{INDEX_MANIFEST}: not found; a finished index has this file, put one there with "
                "'headwater index push'"
            )
        return found

    def shard(self, number: int) -> tuple[ShardManifest, bytes]:
        """Returns the manifest of a shard, checked against that of the index, and its bytes.

        Raises:
            ManifestError: it is of another shard, tokenizer or width.
            StorageError: it cannot be read.
        """
        place = self.path.joined(f"{shard_folder(number)}/{SHARD_MANIFEST}")
        content = self.store.read(place)
        shard = ShardManifest.parse(content, str(place))
        for field, wanted in (
            ("shard", number),
            ("token_width", self.manifest.token_width),
            ("tokenizer_sha256", self.manifest.tokenizer_sha256),
        ):
            if (found := getattr(shard, field)) != wanted:
                raise ManifestError(f"{place}: shard has {field} {found}, expected {wanted}")
        if unknown := sorted(shard.files.keys() - {*CORE_FILES, *SIDECARS}):
            raise ManifestError(f"{place}: lists a file {unknown[0]!r}, expected only files of a shard")
        return shard, content


def shard_files(shard: ShardManifest) -> Iterator[IndexFile]:
    """Yields the files of a shard, without its manifest."""
    for name, entry in shard.files.items():
        yield IndexFile(f"{shard_folder(shard.shard)}/{name}", entry.sha256, entry.size_bytes)


def files_beside(manifest: IndexManifest) -> Iterator[IndexFile]:
    """Yields the files beside the manifest of an index that it names: all that is small and belongs to every shard."""
    if manifest.tokenizer == TOKENIZER_FILE:
        yield IndexFile(TOKENIZER_FILE, manifest.tokenizer_sha256, None)
    if manifest.removed_sha256:
        yield IndexFile(removed_file(manifest.removed_sha256), manifest.removed_sha256, None)
