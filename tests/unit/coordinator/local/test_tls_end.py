"""The files that HAProxy serves with: what cannot be written at one time is written at another."""

import logging
import shutil
from pathlib import Path

import pytest

from bench.certificates import Authority
from coordinator.local.tls_end import TlsEndFiles


def test_what_cannot_be_written_is_told_once_and_written_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path, "ours")
    first, second = authority.issue("first"), authority.issue("second")
    made = tmp_path / "made"
    made.mkdir()
    certificate, key = tmp_path / "serving.crt", tmp_path / "serving.key"
    shutil.copy(first.certificate, certificate)
    shutil.copy(first.key, key)
    files = TlsEndFiles(made, tmp_path, certificate, key, None)
    assert _ends_with(files, first.key)

    shutil.copy(second.certificate, certificate)
    shutil.copy(second.key, key)
    made.rename(tmp_path / "away")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            files.refresh()
    assert [record.message for record in caplog.records] == ["changed TLS files cannot be written for HAProxy yet"]

    (tmp_path / "away").rename(made)
    files.refresh()
    assert _ends_with(files, second.key)


def _ends_with(files: TlsEndFiles, key: Path) -> bool:
    return files.end.certificate.read_bytes().rstrip().endswith(key.read_bytes().rstrip())
