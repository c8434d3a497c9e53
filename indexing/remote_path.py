"""Where a file is that is not on this machine: a URL that can be printed, sent to a worker and opened."""

import io
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from indexing.errors import StorageError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
# What a sequential reader gets with one request.
_BUFFER_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class RemotePath:
    """The URL of a file or folder, with the few methods of `Path` that readers of a corpus use.

    Printing it shows no query, which may hold a signature. ``size_bytes`` is what the file had when it was listed; one
    that has another size when it is opened is refused. None: not known.

    Raises:
        StorageError: the URL holds a password.
    """

    url: str
    size_bytes: int | None = None

    def __post_init__(self) -> None:
        split = urlsplit(self.url)
        if split.password is not None:
            raise StorageError(
                f"{split.scheme}://...@{split.hostname}{split.path}: the URL holds a password, which would end up in "
                "logs and manifests; give credentials in the environment"
            )
        if not split.netloc and split.scheme not in ("file", "memory"):
            raise StorageError(f"{self.url}: no bucket or host, expected a URL like s3://bucket/folder")

    def __str__(self) -> str:
        return self.url.partition("?")[0]

    @property
    def scheme(self) -> str:
        """What stands before ``://``, in lower case."""
        return self.url.partition("://")[0].lower()

    @property
    def name(self) -> str:
        """The last component of the path."""
        return PurePosixPath(str(self).rstrip("/")).name

    def joined(self, name: str) -> "RemotePath":
        """Returns the path of what is called ``name`` in this folder."""
        return RemotePath(f"{str(self).rstrip('/')}/{name}")

    def open(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """Opens the file to be read, seekable. Reads in blocks of 8 MiB, each one request; ``buffering`` is ignored.

        Raises:
            StorageError: it is missing, forbidden, has another size than was listed, or the store cannot be reached.
                Also from reading.
        """
        del buffering
        return io.BufferedReader(self.open_raw(mode), _BUFFER_BYTES)

    def open_raw(self, mode: str = "rb") -> io.RawIOBase:
        """Opens the file without a buffer, each read one request: for who reads large ranges here and there."""
        from indexing.storage import open_store  # Arrow and fsspec take a quarter of a second to load

        if mode != "rb":
            raise ValueError(f"mode {mode!r}, remote files are opened with 'rb'")
        return open_store(self).open(self)


Place: TypeAlias = Path | RemotePath


def place_of(text: str | Place) -> Place:
    """Returns the path or URL that ``text`` is; a ``file://`` URL is the path it names."""
    if not isinstance(text, str):
        return text
    if not _URL.match(text):
        return Path(text)
    if text[:7].lower() == "file://":
        return Path(unquote(urlsplit(text).path))
    return RemotePath(text)
