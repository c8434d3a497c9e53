"""The bytes of a file as they are sent, compared with its published checksum on the way."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from indexing.errors import VerificationError
from indexing.remote_pieces import Piece

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK_BYTES = 4 << 20


class PieceContent:
    """One piece of a file.

    ``before`` is the digest of the file up to the piece; ``digest`` is that up to its end, once `chunks` was read.
    """

    def __init__(self, path: Path, piece: Piece, before: "_Hash", expected: str | None, sent: Callable[[int], None]):
        """Takes the file, the digest of what is before the piece, and the checksum at its end, if that is published.

        ``sent`` is called with the number of bytes on each chunk, but not again for those that another try sends again.
        """
        self.digest = before
        self._path = path
        self._piece = piece
        self.before = before
        self._expected = expected
        self._sent = sent
        self._told = 0

    def chunks(self) -> Iterator[bytes]:
        """Yields the bytes of the piece.

        Raises:
            VerificationError: the file cannot be read, is shorter, or has another checksum.
        """
        digest = self.before.copy()
        position = self._piece.start
        try:
            with self._path.open("rb") as stream:
                stream.seek(position)
                while chunk := stream.read(min(_CHUNK_BYTES, self._piece.end - position)):
                    digest.update(chunk)
                    yield chunk
                    position += len(chunk)
                    self._tell(position - self._piece.start)
        except OSError as error:
            raise VerificationError(f"{self._path}: cannot read the file ({error.strerror or error})") from error
        if self._expected is not None and digest.hexdigest() != self._expected:
            raise VerificationError(
                f"{self._path}: content has sha256 {digest.hexdigest()}, {self._expected} was published; "
                "the file has changed or is damaged, build or pull it again"
            )
        self.digest = digest

    def _tell(self, done: int) -> None:
        if done > self._told:
            self._sent(done - self._told)
            self._told = done
