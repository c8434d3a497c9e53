"""Files on object storage and other file systems, by URL: list them, read ranges of them, write them whole.

S3 and Google Cloud Storage are reached through Arrow's clients, other kinds through fsspec. Credentials and endpoints
come from the environment that the tools of each store use. Requests that fail for a passing reason are tried again.
"""

import errno
import io
import os
import sys
from collections.abc import Callable, Iterable
from time import sleep
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from indexing.errors import StorageError
from indexing.remote_path import RemotePath
from indexing.stored_files import OpenFile, StoredFile, StoredFiles

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Between the tries of a request; clients try a few times themselves in each. About half a minute in all.
_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
# Errors that are no OSError. A module that nobody has imported has raised nothing.
_OTHER_ERRORS = (
    ("aiohttp", "ClientError"),
    ("httpx", "HTTPError"),
    ("httpx2", "HTTPError"),
    ("botocore.exceptions", "BotoCoreError"),
    ("botocore.exceptions", "ClientError"),
)
_T = TypeVar("_T")

# What no second try mends, by what clients print: Arrow gives no code.
_LASTING = {
    ("NO_SUCH_BUCKET",): "there is no such bucket; check its name, and AWS_ENDPOINT_URL",
    ("SIGNATURE_DOES_NOT_MATCH", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "UNRECOGNIZED_CLIENT"): (
        "the credentials are wrong; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile in AWS_PROFILE"
    ),
    ("ACCESS_DENIED", "HTTP status 403", "PERMISSION_DENIED", "UNAUTHENTICATED", "OAuth2 access token"): (
        "access is denied; give credentials that may do this: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE "
        "or an instance role; GOOGLE_APPLICATION_CREDENTIALS for gs://; AWS_NO_SIGN_REQUEST=1 reads public buckets"
    ),
    ("HTTP status 301", "PERMANENT_REDIRECT", "AUTHORIZATION_HEADER_MALFORMED"): (
        "the bucket is in another region; set AWS_REGION to it"
    ),
}


class Store:
    """One kind of storage, with errors that say what to do and requests that are tried again.

    ``largest_bytes`` is the size of the largest file that can be written; None: any.
    """

    def __init__(self, files: StoredFiles):
        self._files = files
        self.largest_bytes = files.largest_bytes

    def files_below(self, folder: RemotePath) -> list[tuple[str, StoredFile]]:
        """Returns all files below a folder by name: their path in it, sorted.

        Raises:
            StorageError: it cannot be listed.
        """
        inside = self._files.path_of(folder.url).rstrip("/") + "/"
        found = _tried(folder, lambda: self._files.files_below(self._files.path_of(folder.url)))
        return sorted((file.path.lstrip("/").removeprefix(inside.lstrip("/")), file) for file in found)

    def find(self, path: RemotePath) -> StoredFile | None:
        """Returns a file, or None if there is none.

        Raises:
            StorageError: it cannot be looked at.
        """
        return _tried(path, lambda: self._files.find(self._files.path_of(path.url)))

    def open(self, path: RemotePath) -> "RemoteFile":
        """Opens a file to be read.

        Raises:
            StorageError: it is missing, forbidden, or of another size than ``path`` was listed with.
        """
        return RemoteFile(path, _tried(path, lambda: self._files.open(self._files.path_of(path.url))))

    def read(self, path: RemotePath) -> bytes:
        """Returns a small file whole.

        Raises:
            StorageError: as `open`.
        """
        file = self.open(path)
        return file.read_range(0, file.size_bytes)

    def write(self, path: RemotePath, chunks: Callable[[], Iterable[bytes]]) -> None:
        """Writes a file, from a stream that is made anew for each try. It appears whole, in place of one that is there.

        An exception from the stream, which must be none of the system's, removes the file and is raised again.

        Raises:
            StorageError: it cannot be written.
        """
        name = self._files.path_of(path.url)

        def attempt() -> None:
            try:
                self._files.write(name, chunks())
            except _client_errors():
                raise  # the client did not publish it
            except BaseException:
                self._remove_broken(name)
                raise

        _tried(path, attempt)

    def _remove_broken(self, name: str) -> None:
        """Removes what a client published of a file when its writing broke off; if that fails too, the sizes tell."""
        try:
            if self._files.find(name) is not None:
                self._files.delete(name)
        except _client_errors():
            return


class RemoteFile(io.RawIOBase):
    """A remote file as a raw stream: each read is one request, tried again where the connection breaks."""

    def __init__(self, path: RemotePath, file: OpenFile):
        if path.size_bytes is not None and file.size_bytes != path.size_bytes:
            raise StorageError(
                f"{path}: has {file.size_bytes} bytes, {path.size_bytes} when it was listed; it has changed meanwhile"
            )
        self.size_bytes = file.size_bytes
        self._path = path
        self._file = file
        self._position = 0

    def read_range(self, start: int, end: int) -> bytes:
        """Returns the bytes in [start, end), 0 <= start <= end <= size. Several threads may call it at once.

        Raises:
            StorageError: they cannot be read, however often it is tried.
        """
        if start == end:
            return b""

        def attempt() -> bytes:
            content = self._file.read(start, end)
            if len(content) != end - start:
                raise OSError(errno.EIO, f"{len(content)} of {end - start} bytes came")
            return content

        return _tried(self._path, attempt)

    def readable(self) -> bool:
        """Says that it can be read."""
        return True

    def seekable(self) -> bool:
        """Says that it can be read from anywhere."""
        return True

    def tell(self) -> int:
        """Returns the position of the next read."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position of the next read and returns it."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fills the buffer, or what of it is left of the file."""
        target = memoryview(buffer).cast("B")
        end = min(self.size_bytes, self._position + len(target))
        content = self.read_range(min(self._position, end), end)
        target[: len(content)] = content
        self._position += len(content)
        return len(content)


def open_store(path: RemotePath) -> Store:
    """Returns the store that a URL is on.

    Raises:
        StorageError: its kind is unknown, or needs a package that is not installed.
    """
    if path.scheme in ("s3", "s3a"):
        from indexing.remote_arrow import s3_files

        return Store(s3_files(urlsplit(path.url).netloc))
    if path.scheme in ("gs", "gcs"):
        from indexing.remote_arrow import gcs_files

        return Store(gcs_files())
    from indexing.remote_fsspec import fsspec_files

    return Store(fsspec_files(path.url))


def _tried(path: RemotePath, request: Callable[[], _T]) -> _T:
    """Returns what a request gives, made again after a pause while its error may pass.

    Raises:
        StorageError: it fails for good, or once too often.
    """
    for pause_s in (*_PAUSES_S, None):
        try:
            return request()
        except _client_errors() as error:
            if isinstance(error, FileNotFoundError):
                raise StorageError(f"{path}: not found") from error
            text = _one_line(error)
            if (advice := _advice(error, text)) is not None:
                raise StorageError(f"{path}: {advice} ({text})") from error
            if pause_s is None:
                raise StorageError(
                    f"{path}: the storage does not answer as it should, after {len(_PAUSES_S) + 1} tries ({text}); "
                    "check the network and AWS_ENDPOINT_URL, then run the same command again"
                ) from error
            sleep(pause_s)
    raise AssertionError("the last try returns or raises")


def _client_errors() -> tuple[type[Exception], ...]:
    """Returns what clients raise: OSErrors, and what those that fsspec uses have of their own."""
    found = ((sys.modules.get(module), name) for module, name in _OTHER_ERRORS)
    return (OSError, EOFError, *(getattr(module, name) for module, name in found if module is not None))


def _advice(error: Exception, text: str) -> str | None:
    """Returns what to do about an error that does not pass, None if it may."""
    for signs, advice in _LASTING.items():
        if any(sign.lower() in text.lower() for sign in signs):
            return advice
    if isinstance(error, PermissionError):
        return "access is denied"
    return None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]}..."
