"""Every other kind of storage, through whatever fsspec has for it."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import fsspec

from indexing.errors import StorageError
from indexing.stored_files import StoredFile

# What file systems call the version of a file; the first that is there counts.
_MARKS = ("ETag", "etag", "checksum", "blob_id", "mtime", "LastModified", "last_modified", "updated", "created")


# Where a file is seen while it is written, and can be renamed.
_RENAMING = {"file", "local", "sftp", "ssh", "smb", "hdfs", "arrow_hdfs", "webhdfs"}


def fsspec_files(url: str) -> "FsspecFiles":
    """Returns the files of the store that a URL is on.

    Raises:
        StorageError: fsspec does not know the scheme, or its package is not installed.
    """
    scheme = url.partition("://")[0]
    try:
        return FsspecFiles(fsspec.core.url_to_fs(url)[0])
    except ValueError as error:
        raise StorageError(f"{scheme}://: unknown kind of storage, expected s3, gs or one that fsspec knows") from error
    except ImportError as error:
        raise StorageError(f"{scheme}://: a package is missing for this kind of storage ({error})") from error


class FsspecFiles:
    """Files of one fsspec file system. Implements `StoredFiles`."""

    def __init__(self, client: "fsspec.AbstractFileSystem"):
        self._client = client
        self.largest_bytes: int | None = None
        protocol = client.protocol
        self._renames = bool(_RENAMING & {*((protocol,) if isinstance(protocol, str) else protocol)})

    def path_of(self, url: str) -> str:
        """See `StoredFiles.path_of`."""
        path: str = self._client._strip_protocol(url)
        return path

    def files_below(self, folder: str) -> list[StoredFile]:
        """See `StoredFiles.files_below`."""
        self._client.invalidate_cache()
        return [_stored(info) for info in self._client.find(folder, detail=True).values()]

    def find(self, path: str) -> StoredFile | None:
        """See `StoredFiles.find`."""
        self._client.invalidate_cache()
        try:
            info = self._client.info(path)
        except FileNotFoundError:
            return None
        return _stored(info) if info["type"] == "file" else None

    def open(self, path: str) -> "_FsspecFile":
        """See `StoredFiles.open`."""
        found = self.find(path)
        if found is None:
            raise FileNotFoundError(path)
        return _FsspecFile(self._client, found)

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """See `StoredFiles.write`."""
        folder = self._client._parent(path)
        if folder:
            self._client.makedirs(folder, exist_ok=True)
        beside = f"{path}.tmp" if self._renames else path
        with self._client.open(beside, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
        if self._renames:
            self._client.mv(beside, path)

    def delete(self, path: str) -> None:
        """See `StoredFiles.delete`."""
        self._client.rm_file(path)


class _FsspecFile:
    """Implements `OpenFile`."""

    def __init__(self, client: "fsspec.AbstractFileSystem", found: StoredFile):
        self._client = client
        self._path = found.path
        self.size_bytes = found.size_bytes

    def read(self, start: int, end: int) -> bytes:
        content: bytes = self._client.cat_file(self._path, start=start, end=end)
        return content


def _stored(info: Mapping[str, Any]) -> StoredFile:
    mark = next((info[name] for name in _MARKS if info.get(name)), "")
    if isinstance(mark, datetime):  # some file systems give a number in a listing and this for a single file
        mark = mark.timestamp()
    if info.get("size") is None:
        raise StorageError(f"{info['name']}: the server does not say how large the file is")
    return StoredFile(info["name"], int(info["size"]), str(mark))
