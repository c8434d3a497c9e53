"""The files that prove who a process is over TLS, looked at again whenever they may have changed.

A certificate is replaced in several steps: first one file, then the other. What does not go together is not used: the
pair before it stays until the files are right again, and the log says why.
"""

import logging
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from runtime.errors import TlsFileError

_OTHERS_MAY_READ = 0o004

_Stamp: TypeAlias = tuple[tuple[int, int, int], ...]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """What the files hold, as PEM. ``key`` is secret: it is never shown.

    Attributes:
        certificate: The own certificate and those that lead from it to a CA; empty if there is none.
        key: Its private key.
        ca: Certificates of those who are trusted to vouch for the other side; empty if none are named.
    """

    certificate: bytes = b""
    key: bytes = b""
    ca: bytes = b""

    def __repr__(self) -> str:
        return f"TlsMaterial(certificate={len(self.certificate)} bytes, key=..., ca={len(self.ca)} bytes)"


class TlsFiles:
    """A certificate with its key, CAs that are trusted, or both. For any thread."""

    def __init__(self, certificate: Path | None, key: Path | None, ca: Path | None):
        """Reads the files.

        Raises:
            TlsFileError: one cannot be read or does not hold what it should, or the key is not that of the certificate.
        """
        if (certificate is None) != (key is None):
            given, missing = ("certificate", "key") if key is None else ("key", "certificate")
            raise TlsFileError(f"TLS has a {given} ({certificate or key}) and no {missing}, expected both or neither")
        self._certificate, self._key, self._ca = certificate, key, ca
        self._lock = threading.Lock()
        self._stamp = self._look()
        self._refused: _Stamp | None = None
        self._material = self._read()
        if key is not None and key.stat().st_mode & _OTHERS_MAY_READ:
            _log.warning("every user of this machine can read a private key", extra={"path": str(key)})

    @property
    def material(self) -> TlsMaterial:
        """What was right last."""
        return self._material

    def refresh(self) -> bool:
        """Returns whether there is something new in `material`. Costs a look at each file where nothing has changed."""
        with self._lock:
            try:
                stamp = self._look()
                if stamp == self._stamp:
                    return False
                material = self._read()
            except (OSError, TlsFileError) as error:
                self._refuse(str(error))
                return False
            self._stamp, self._refused = stamp, None
            is_new, self._material = material != self._material, material
        if is_new:
            _log.info("TLS files are read again", extra={"paths": [str(path) for path in self._paths()]})
        return is_new

    def _refuse(self, reason: str) -> None:
        """Says once that what is there now is not used."""
        try:
            stamp = self._look()
        except TlsFileError:
            stamp = ()
        if stamp != self._refused:
            self._refused = stamp
            _log.error("changed TLS files are not used; those before them stay", extra={"reason": reason})

    def _paths(self) -> tuple[Path, ...]:
        return tuple(path for path in (self._certificate, self._key, self._ca) if path is not None)

    def _look(self) -> _Stamp:
        stamps = []
        for path in self._paths():
            try:
                status = path.stat()
            except OSError as error:
                raise TlsFileError(f"{path}: cannot read it ({error.strerror})") from error
            stamps.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(stamps)

    def _read(self) -> TlsMaterial:
        material = self._contents()
        if self._certificate is not None and self._key is not None:
            _check_pair(self._certificate, self._key)
        if self._ca is not None:
            _check_ca(self._ca, material.ca)
        if self._contents() != material:
            raise TlsFileError(f"{self._paths()[0]}: it or its companions changed while they were read")
        return material

    def _contents(self) -> TlsMaterial:
        return TlsMaterial(_content(self._certificate), _content(self._key), _content(self._ca))


def _content(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsFileError(f"{path}: cannot read it ({error.strerror})") from error


def _check_pair(certificate: Path, key: Path) -> None:
    def ask_for_password() -> str:
        raise TlsFileError(f"{key}: the private key has a password, expected one without, kept by file permissions")

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, ask_for_password)
    except (ssl.SSLError, OSError) as error:
        raise TlsFileError(
            f"{certificate} and {key}: expected a certificate and its private key, both PEM ({_words(error)})"
        ) from error


def _check_ca(path: Path, content: bytes) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise TlsFileError(f"{path}: expected certificates of CAs, PEM ({_words(error)})") from error
    if not context.cert_store_stats()["x509"]:
        raise TlsFileError(f"{path}: expected certificates of CAs, PEM; found none")


def _words(error: Exception) -> str:
    return str(getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__)
