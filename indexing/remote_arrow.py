"""S3 and Google Cloud Storage through Arrow's own clients, which need no further package."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

import pyarrow.fs

from indexing.stored_files import StoredFile

# The client sends parts of 10 MiB in the background and holds as many as it is given. With this many bytes given, wait
# until they are sent: about 8 connections at work, 64 MiB of memory.
_UNSENT_BYTES = 64 << 20
# S3 takes 10,000 parts a file.
_LARGEST_S3_BYTES = 10_000 * (10 << 20)
# Tries of one request, with pauses of up to a second; what still fails is tried again by `storage.Store`, more slowly.
_ATTEMPTS = 4
# The same for the client of Google Cloud Storage, whose own limit is 15 minutes.
_GCS_PATIENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class S3Settings:
    """What Arrow's client does not take from the environment by itself."""

    endpoint: str | None
    region: str | None

    @classmethod
    def from_environment(cls) -> "S3Settings":
        """Returns the settings in the variables that the AWS tools use."""
        return cls(
            endpoint=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or None,
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None,
        )


def s3_files(bucket: str) -> "ArrowFiles":
    """Returns the files of S3, or of what speaks its protocol at ``AWS_ENDPOINT_URL``."""
    anonymous = os.environ.get("AWS_NO_SIGN_REQUEST", "").lower() in ("1", "true", "yes")
    return ArrowFiles(_s3_client(S3Settings.from_environment(), bucket, anonymous), _LARGEST_S3_BYTES)


@cache  # a client holds connections and credentials; a corpus may have a hundred thousand files
def _s3_client(settings: S3Settings, bucket: str, anonymous: bool) -> pyarrow.fs.FileSystem:
    region = settings.region
    if region is None and settings.endpoint is None:
        try:
            region = pyarrow.fs.resolve_s3_region(bucket)
        except OSError:  # the bucket is missing or hidden: the first request tells better
            region = None
    return pyarrow.fs.S3FileSystem(
        region=region,
        endpoint_override=settings.endpoint,
        anonymous=anonymous,
        allow_delayed_open=True,  # a small file is one request instead of three
        retry_strategy=pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


@cache
def gcs_files() -> "ArrowFiles":
    """Returns the files of Google Cloud Storage."""
    emulated = "CLOUD_STORAGE_EMULATOR_ENDPOINT" in os.environ  # the client asks for no credentials there
    return ArrowFiles(pyarrow.fs.GcsFileSystem(anonymous=emulated, retry_time_limit=_GCS_PATIENCE))


class ArrowFiles:
    """Files through one of Arrow's clients. Implements `StoredFiles`."""

    def __init__(self, client: pyarrow.fs.FileSystem, largest_bytes: int | None = None):
        self._client = client
        self.largest_bytes = largest_bytes

    def path_of(self, url: str) -> str:
        """See `StoredFiles.path_of`."""
        return url.partition("://")[2]

    def files_below(self, folder: str) -> list[StoredFile]:
        """See `StoredFiles.files_below`."""
        selector = pyarrow.fs.FileSelector(folder, allow_not_found=True, recursive=True)
        return [_stored(info) for info in self._client.get_file_info(selector) if info.is_file]

    def find(self, path: str) -> StoredFile | None:
        """See `StoredFiles.find`."""
        info = self._client.get_file_info(path)
        return _stored(info) if info.is_file else None

    def open(self, path: str) -> "_ArrowFile":
        """See `StoredFiles.open`."""
        return _ArrowFile(self._client.open_input_file(path))

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """See `StoredFiles.write`."""
        # Closing, and even collecting, a stream publishes what was written so far; nothing here can abandon it.
        with self._client.open_output_stream(path, compression=None) as stream:
            unsent = 0
            for chunk in chunks:
                stream.write(chunk)
                unsent += len(chunk)
                if unsent >= _UNSENT_BYTES:
                    stream.flush()
                    unsent = 0

    def delete(self, path: str) -> None:
        """See `StoredFiles.delete`."""
        self._client.delete_file(path)


class _ArrowFile:
    """Implements `OpenFile`."""

    def __init__(self, file: "pyarrow.NativeFile"):
        self._file = file
        self.size_bytes: int = file.size()

    def read(self, start: int, end: int) -> bytes:
        content: bytes = self._file.read_at(end - start, start)
        return content


def _stored(info: pyarrow.fs.FileInfo) -> StoredFile:
    return StoredFile(info.path, info.size, "" if info.mtime_ns is None else str(info.mtime_ns))
