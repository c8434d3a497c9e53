"""The scrubber reads on until there is damage, tells it once, and stops when told."""

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from index_format.errors import ManifestError
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
    assert third.wait(10)
    file.path.write_bytes(b"abd")
    assert damage.heard.wait(10)
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
    assert damage.heard.wait(10)
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
    assert began.wait(10)
    scrubbing.close()
    assert value(metrics, "headwater_shard_scrubbed_bytes_total") <= 1024 * 1024
    assert damage.messages == []
