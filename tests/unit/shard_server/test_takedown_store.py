"""The kept list of takedowns: what a full or failing disk makes of it."""

from pathlib import Path

import pytest

from index_format.takedowns import DomainTarget, Takedown
from shard_server.errors import TakedownStoreError
from shard_server.takedown_store import TAKEDOWNS_FILE, KeptTakedowns, TakedownStore

KEPT = KeptTakedowns(7, "an index", (Takedown("t-1", DomainTarget("example.org"), ("an index",)),))


def test_a_list_is_read_as_it_was_saved(tmp_path: Path) -> None:
    TakedownStore(tmp_path).save(KEPT)
    assert TakedownStore(tmp_path).load() == KEPT


@pytest.mark.parametrize(
    "damage", [(b"example.org", b"example.com"), (b'"epoch": 7', b'"epoch": 8'), (b"}]}}", b"}]} }")]
)
def test_a_list_with_another_byte_is_not_read(tmp_path: Path, damage: tuple[bytes, bytes]) -> None:
    store = TakedownStore(tmp_path)
    store.save(KEPT)
    path = tmp_path / TAKEDOWNS_FILE
    changed = path.read_bytes().replace(*damage)
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(TakedownStoreError, match="not the one that was saved"):
        store.load()


def test_a_list_whose_folder_cannot_be_flushed_is_kept_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("shard_server.takedown_store.flush_directory", broken)
    store = TakedownStore(tmp_path)
    store.save(KEPT)
    assert "a crash of the machine may undo it" in caplog.text
    assert store.load() == KEPT
