"""Opens a source as a stream of bytes: plain, gzip or Zstandard, with the bytes taken from disk reported."""

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

import zstandard

from indexing.errors import SourceError
from indexing.sources import Packing, SplitFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Packed bytes unpacked at once. A Zstandard block of 4 bytes may stand for 128 KiB, so this also bounds what a
# hostile file can make us hold: 256 MiB.
_PACKED_CHUNK_BYTES = 8 << 10
_BUFFER_BYTES = 1 << 20


@contextmanager
def open_source(part: SplitFile, read: Callable[[int], None]) -> Iterator[BinaryIO]:
    """Opens a part of a file, unpacked, and calls ``read`` with the number of bytes on each read from disk.

    Raises:
        SourceError: the file cannot be read, or is truncated or not packed as its name says. Also from inside the
            body of the ``with`` statement, where the reading happens.
    """
    file = part.file
    try:
        with file.path.open("rb", buffering=0) as raw, _CountedFile(raw) as counted:
            if file.packing is Packing.GZIP:
                with gzip.GzipFile(fileobj=io.BufferedReader(counted, _BUFFER_BYTES)) as unpacked:
                    _skip(unpacked, part.start)
                    counted.read_by = read
                    yield io.BufferedReader(_Beginning(unpacked, part), _BUFFER_BYTES)
            elif file.packing is Packing.ZSTANDARD:
                with io.BufferedReader(_ZstandardFile(counted), _BUFFER_BYTES) as unpacked:
                    _skip(unpacked, part.start)
                    counted.read_by = read
                    yield unpacked if part.end is None else io.BufferedReader(_Beginning(unpacked, part), _BUFFER_BYTES)
            else:
                if part.start:
                    raw.seek(part.start)
                counted.read_by = read
                yield io.BufferedReader(_Beginning(counted, part), _BUFFER_BYTES)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise SourceError(f"{file.path}: truncated or corrupt {file.packing.value} file ({error})") from error
    except OSError as error:
        raise SourceError(f"{file.path}: cannot read the file ({error.strerror or error})") from error


def _skip(stream: BinaryIO | gzip.GzipFile, size_bytes: int) -> None:
    """Reads over what is before a part: a packed file cannot be entered in the middle."""
    while size_bytes and (block := stream.read(min(size_bytes, _BUFFER_BYTES))):
        size_bytes -= len(block)


class _CountedFile(io.RawIOBase):
    """Passes reads on, and reports how many bytes each one gave to ``read_by``."""

    def __init__(self, raw: io.RawIOBase | io.BufferedReader):
        self._raw = raw
        self.read_by: Callable[[int], None] = lambda size: None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        size = self._raw.readinto(buffer)
        if size:
            self.read_by(size)
        return size


class _Beginning(io.RawIOBase):
    """What of a stream belongs to a part at whose start it stands."""

    def __init__(self, stream: "io.RawIOBase | io.BufferedIOBase", part: SplitFile):
        self._stream = stream
        self._left = None if part.end is None else part.end - part.start

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        if self._left is None:
            return self._stream.readinto(buffer)
        target = memoryview(buffer).cast("B")[: self._left]
        size = self._stream.readinto(target) if target else 0
        self._left -= size or 0
        return size


class _ZstandardFile(io.RawIOBase):
    """Unpacks the frames of a Zstandard file one after another.

    The package's own reader takes a truncated file for one that ends: it cannot be asked whether the last frame is
    whole.
    """

    def __init__(self, packed: io.RawIOBase):
        self._packed = packed
        # Some corpora are packed with windows of 2 GiB (zstd --long=31).
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)
        self._frame: zstandard.ZstdDecompressionObj | None = None
        self._pending = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        target = memoryview(buffer).cast("B")
        while not self._ready:
            if not self._unpack_more():
                return 0
        size = min(len(target), len(self._ready))
        target[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _unpack_more(self) -> bool:
        """Unpacks one chunk; False at the end of the last frame."""
        chunk = self._pending or self._packed.read(_PACKED_CHUNK_BYTES) or b""
        self._pending = b""
        if not chunk:
            if self._frame is not None:
                raise EOFError("the file ends inside a frame")
            return False
        if self._frame is None:
            self._frame = self._decompressor.decompressobj()
        self._ready = memoryview(self._frame.decompress(chunk))
        if self._frame.eof:
            self._pending = self._frame.unused_data
            self._frame = None
        return True
