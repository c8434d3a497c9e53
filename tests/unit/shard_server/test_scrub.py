"""The scrubber reads on until there is damage, whatever hinders it, tells it once, and stops when told."""

import errno
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from index_format.errors import ManifestError
from shard_server import checksums
from shard_server.checksums import PublishedFile
from shard_server.metrics import Metrics
from shard_server.scrub import Scrubber

pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")


class Damage:
    """What the scrubber told."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.heard = threading.Event()

    def __call__(self, message: str) -> None:
        self.messages.append(message)
        self.heard.set()


def scrubber(
    files: Callable[[], list[PublishedFile]], metrics: Metrics, damage: Damage, mb_per_s: float = 1e4
) -> Scrubber:
    return Scrubber(files, interval_s=0.001, mb_per_s=mb_per_s, metrics=metrics, on_damage=damage)


def value(metrics: Metrics, name: str) -> float:
    return metrics.registry.get_sample_value(name) or 0.0


def test_it_reads_again_and_again_until_a_byte_changes(tmp_path: Path) -> None:
    file = PublishedFile(tmp_path / "f", hashlib.sha256(b"abc").hexdigest(), None)
    file.path.write_bytes(b"abc")
    metrics, damage, third = Metrics(), Damage(), threading.Event()

    def files() -> list[PublishedFile]:
        if value(metrics, "headwater_shard_scrubs_total") >= 3:
            third.set()
        return [file]

    scrubbing = scrubber(files, metrics, damage)
    scrubbing.start()
    assert third.wait(60)
    file.path.write_bytes(b"abd")
    assert damage.heard.wait(60)
    scrubbing.close()
    assert len(damage.messages) == 1
    assert "f: content has sha256" in damage.messages[0]
    assert value(metrics, "headwater_shard_damaged_files_total") == 1
    assert value(metrics, "headwater_shard_scrubbed_bytes_total") >= 9


def test_a_manifest_that_is_no_longer_what_it_was_is_damage() -> None:
    def files() -> list[PublishedFile]:
        raise ManifestError("shard.json: not valid JSON")

    damage = Damage()
    scrubbing = scrubber(files, Metrics(), damage)
    scrubbing.start()
    assert damage.heard.wait(60)
    scrubbing.close()
    assert damage.messages == ["shard.json: not valid JSON"]


def test_it_stops_in_the_middle_of_a_slow_reading(tmp_path: Path) -> None:
    file = PublishedFile(tmp_path / "f", "", None)
    file.path.write_bytes(bytes(4 * 1024 * 1024))
    metrics, damage, began = Metrics(), Damage(), threading.Event()

    def files() -> list[PublishedFile]:
        began.set()
        return [file]

    scrubbing = scrubber(files, metrics, damage, mb_per_s=0.001)
    scrubbing.start()
    assert began.wait(60)
    scrubbing.close()
    assert value(metrics, "headwater_shard_scrubbed_bytes_total") <= 1024 * 1024
    assert damage.messages == []


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ENOENT])
def test_a_file_that_cannot_be_read_once_is_counted_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    file = PublishedFile(tmp_path / "f", hashlib.sha256(b"abc").hexdigest(), None)
    file.path.write_bytes(b"abc")
    read, fails = checksums._read, iter([True, False, True])
    metrics, damage, fourth = Metrics(), Damage(), threading.Event()

    def sometimes(descriptor: int, block: bytearray, offset: int) -> int:
        if offset == 0 and next(fails, False):
            raise OSError(number, "made up")
        return read(descriptor, block, offset)

    def files() -> list[PublishedFile]:
        if value(metrics, "headwater_shard_scrubs_total") >= 2:
            fourth.set()
        return [file]

    monkeypatch.setattr(checksums, "_read", sometimes)
    scrubbing = scrubber(files, metrics, damage)
    scrubbing.start()
    assert fourth.wait(60)
    scrubbing.close()
    assert damage.messages == []
    assert value(metrics, "headwater_shard_scrub_failures_total") == 2


def test_a_file_that_is_gone_at_two_readings_is_damage(tmp_path: Path) -> None:
    file = PublishedFile(tmp_path / "f", "", None)
    metrics, damage = Metrics(), Damage()
    scrubbing = scrubber(lambda: [file], metrics, damage)
    scrubbing.start()
    assert damage.heard.wait(60)
    scrubbing.close()
    assert damage.messages == [f"{file.path}: is gone, copy it again"]
    assert value(metrics, "headwater_shard_scrub_failures_total") == 1


def test_a_file_that_cannot_be_read_hides_no_damage_of_another(tmp_path: Path) -> None:
    unreadable, changed = (PublishedFile(tmp_path / name, "", None) for name in ("unreadable", "changed"))
    unreadable.path.mkdir()
    changed.path.write_bytes(b"abc")
    damage = Damage()
    scrubbing = scrubber(lambda: [unreadable, changed], Metrics(), damage)
    scrubbing.start()
    assert damage.heard.wait(60)
    scrubbing.close()
    assert "changed: content has sha256" in damage.messages[0]


def test_whatever_fails_in_a_reading_does_not_end_the_next_ones(tmp_path: Path) -> None:
    file = PublishedFile(tmp_path / "f", "", None)
    file.path.write_bytes(b"abc")
    metrics, damage, fails = Metrics(), Damage(), iter([True, True])

    def files() -> list[PublishedFile]:
        if next(fails, False):
            raise RuntimeError("made up")
        return [file]

    scrubbing = scrubber(files, metrics, damage)
    scrubbing.start()
    assert damage.heard.wait(60)
    scrubbing.close()
    assert value(metrics, "headwater_shard_scrub_failures_total") == 2
