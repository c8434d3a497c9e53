"""Files of TLS are read again when they change, and what does not go together is never used."""

import logging
import os
from pathlib import Path

import pytest

from bench.certificates import Authority
from runtime.errors import TlsFileError
from runtime.tls_files import TlsFiles


def test_files_are_read_again_only_when_they_change(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    identity = authority.issue("server")
    files = TlsFiles(identity.certificate, identity.key, authority.path)
    first = files.material
    assert not files.refresh()
    assert files.material is first
    authority.issue("server")
    assert files.refresh()
    assert files.material.certificate == identity.certificate.read_bytes() != first.certificate
    assert files.material.key == identity.key.read_bytes()
    assert files.material.ca == first.ca


def test_a_pair_that_is_half_replaced_is_not_used_until_it_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "new").mkdir()
    old, new = Authority(tmp_path).issue("server"), Authority(tmp_path / "new").issue("server")
    files = TlsFiles(old.certificate, old.key, None)
    first = files.material
    new.certificate.replace(old.certificate)
    with caplog.at_level(logging.ERROR):
        assert not files.refresh()
        assert not files.refresh()
    assert len(caplog.records) == 1, "said once"
    assert files.material is first
    new.key.replace(old.key)
    assert files.refresh()
    assert files.material.key == old.key.read_bytes()


@pytest.mark.parametrize(
    "damage", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\xff\x00"]
)
@pytest.mark.parametrize("which", ["certificate", "key", "ca"])
def test_a_file_that_is_broken_is_refused_at_the_start_and_kept_out_later(
    tmp_path: Path, which: str, damage: bytes
) -> None:
    authority = Authority(tmp_path)
    identity = authority.issue("server")
    paths = {"certificate": identity.certificate, "key": identity.key, "ca": authority.path}
    files = TlsFiles(paths["certificate"], paths["key"], paths["ca"])
    first = files.material
    paths[which].write_bytes(damage)
    assert not files.refresh()
    assert files.material is first
    with pytest.raises(TlsFileError, match="expected"):
        TlsFiles(paths["certificate"], paths["key"], paths["ca"])


def test_a_file_that_is_gone_leaves_what_was_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    identity = Authority(tmp_path).issue("server")
    files = TlsFiles(identity.certificate, identity.key, None)
    identity.key.unlink()
    with caplog.at_level(logging.ERROR):
        assert not files.refresh()
        assert not files.refresh()
    assert [record.message for record in caplog.records] == ["changed TLS files are not used; those before them stay"]
    with pytest.raises(TlsFileError, match="cannot read it"):
        TlsFiles(identity.certificate, identity.key, None)


def test_a_certificate_without_its_key_is_refused(tmp_path: Path) -> None:
    identity = Authority(tmp_path).issue("server")
    with pytest.raises(TlsFileError, match="expected both or neither"):
        TlsFiles(identity.certificate, None, None)


def test_a_key_that_everybody_can_read_is_logged_and_never_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    identity = Authority(tmp_path).issue("server")
    os.chmod(identity.key, 0o644)
    files = TlsFiles(identity.certificate, identity.key, None)
    assert [record.message for record in caplog.records] == ["every user of this machine can read a private key"]
    assert "PRIVATE" not in repr(files.material)
