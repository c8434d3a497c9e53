"""The certificate that HAProxy serves with, replaced in the running one when its files change.

HAProxy wants certificate and key in one file and reads it when it starts, which Serve has it do now and then. A running
one is told over its admin socket; no connection is closed for it.
"""

import logging
import os
import socket
from pathlib import Path

from coordinator.local.haproxy_guard import TlsEnd
from runtime.tls_files import TlsFiles

# Serve may be starting another HAProxy at that moment, which has read the files from before: so it is told again.
_TIMES_TOLD = 3
_ANSWER_S = 5.0

_log = logging.getLogger(__name__)


class TlsEndFiles:
    """Writes the files that a `TlsEnd` names, and again when those of the operator change."""

    def __init__(self, directory: Path, sockets: Path, certificate: Path, key: Path, client_ca: Path | None):
        """Writes them.

        Args:
            directory: Where they go; the private key is among them.
            sockets: Folder in whose folders HAProxy's admin sockets are.
            certificate: Of the operator.
            key: Of the operator.
            client_ca: Of the operator; None if callers need no certificate.

        Raises:
            TlsFileError: one is missing or wrong.
        """
        self._files = TlsFiles(certificate, key, client_ca)
        self._sockets = sockets
        self.end = TlsEnd(directory / "tls.pem", directory / "client-ca.pem" if client_ca is not None else None)
        self._left_to_tell = 0
        self._changed = False
        self._fault = ""
        self._write()

    def refresh(self) -> None:
        """Has HAProxy serve with what the files hold now, if they have changed. Call it every few seconds.

        What cannot be written now (a full disk) is written at a later call; the log says so once.
        """
        if self._files.refresh():
            self._changed = True
        if self._changed and not self._is_written_again():
            return
        if not self._left_to_tell:
            return
        said = [self._tell(path) for path in self._sockets.glob("*/admin.sock")]
        if said and all(said):
            self._left_to_tell -= 1
            if self._left_to_tell == _TIMES_TOLD - 1:
                _log.info("serving with changed TLS files")

    def _is_written_again(self) -> bool:
        try:
            self._write()
        except OSError as error:
            fault = f"{error.filename}: {error.strerror}"
            if fault != self._fault:
                _log.error("changed TLS files cannot be written for HAProxy yet", extra={"reason": fault})
            self._fault = fault
            return False
        self._changed, self._fault = False, ""
        self._left_to_tell = _TIMES_TOLD
        return True

    def _write(self) -> None:
        material = self._files.material
        _write_secret(self.end.certificate, _joined(material.certificate, material.key))
        if self.end.client_ca is not None:
            _write_secret(self.end.client_ca, _joined(material.ca))

    def _tell(self, path: Path) -> bool:
        contents = [("cert", self.end.certificate)]
        if self.end.client_ca is not None:
            contents.append(("ca-file", self.end.client_ca))
        for kind, file in contents:
            told = _ask(path, b"set ssl %s %s <<\n%s\n" % (kind.encode(), bytes(file), file.read_bytes()))
            done = _ask(path, b"commit ssl %s %s\n" % (kind.encode(), bytes(file)))
            if "Success!" not in done:
                reason = " ".join(f"{told} {done}".split())[:300]
                _log.error("HAProxy did not take changed TLS files", extra={"kind": kind, "reason": reason})
                return False
        return True


def _joined(*parts: bytes) -> bytes:
    """Returns PEM without the empty lines that would end it on HAProxy's socket."""
    lines = [line for part in parts for line in part.splitlines() if line.strip()]
    return b"\n".join(lines) + b"\n"


def _write_secret(path: Path, content: bytes) -> None:
    beside = path.with_name(path.name + ".tmp")
    beside.unlink(missing_ok=True)
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    beside.replace(path)


def _ask(path: Path, command: bytes) -> str:
    """Returns what HAProxy says to a command; why there is no answer, if there is none."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as admin:
            admin.settimeout(_ANSWER_S)
            admin.connect(str(path))
            admin.sendall(command)
            said = b""
            while part := admin.recv(4096):
                said += part
    except OSError as error:
        return str(error)
    return said.decode(errors="replace")
