"""What is kept of views comes back whole, for the same files only."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from index_format.manifest import FileEntry, ShardManifest
from index_format.removed_documents import DocumentNumbers
from index_format.takedowns import ContentTarget
from shard_server.view_store import KeptView, ViewStore

SHARD = ShardManifest(
    1, 3, 2, 100, 10, "", {"table.0": FileEntry(400, "a" * 64), "tokenized.0": FileEntry(9, "b" * 64)}
)


def numbers(*documents: int) -> DocumentNumbers:
    return np.array(documents, dtype="<u8")


VIEWS = {
    "nothing left out": KeptView(numbers(), b"", {}),
    "no content": KeptView(numbers(1, 5), b"\x00\n" * 9, {}),
    "contents": KeptView(
        numbers(0, 2, 7),
        b"engine",
        {
            ContentTarget("0a" * 32, 5): numbers(2, 7),
            ContentTarget("ff" * 32, 1): numbers(),
            ContentTarget("0b" * 32, 5): numbers(0),
        },
    ),
}


def store(directory: Path, index_id: str = "an index", shard: ShardManifest = SHARD) -> ViewStore:
    return ViewStore(directory, index_id, {3: shard})


def plain(view: KeptView | None) -> tuple[Sequence[int], bytes, Mapping[ContentTarget, Sequence[int]]]:
    assert view is not None
    contents = {content: having.tolist() for content, having in view.contents.items()}
    return view.documents.tolist(), view.engine, contents


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_comes_back_as_it_was_kept(tmp_path: Path, name: str) -> None:
    assert store(tmp_path).load(3) is None
    store(tmp_path).save(3, VIEWS["no content"])
    store(tmp_path).save(3, VIEWS[name])
    assert plain(store(tmp_path).load(3)) == plain(VIEWS[name])
    [path] = tmp_path.iterdir()
    assert (path.name, path.stat().st_mode & 0o777) == ("view_00003.bin", 0o600)


@pytest.mark.parametrize(
    "other",
    [
        {"index_id": "another index"},
        {"shard": replace(SHARD, files={**SHARD.files, "table.0": FileEntry(400, "c" * 64)})},
        {"shard": replace(SHARD, files={**SHARD.files, "offset.0": FileEntry(80, "c" * 64)})},
    ],
)
def test_a_view_of_other_files_is_not_used(
    tmp_path: Path, other: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    store(tmp_path).save(3, VIEWS["contents"])
    changed = ViewStore(tmp_path, **{"index_id": "an index", "shards": {3: other.pop("shard", SHARD)}, **other})  # type: ignore[arg-type]
    with caplog.at_level(logging.WARNING):
        assert changed.load(3) is None
    assert [record.message for record in caplog.records] == ["kept view not used"]


def test_a_damaged_view_is_not_used(tmp_path: Path) -> None:
    store(tmp_path).save(3, VIEWS["contents"])
    path = tmp_path / "view_00003.bin"
    written = path.read_bytes()
    for place in range(len(written)):
        path.write_bytes(written[:place] + bytes([written[place] ^ 1]) + written[place + 1 :])
        assert store(tmp_path).load(3) is None, place
        path.write_bytes(written[:place])
        assert store(tmp_path).load(3) is None, place
    path.write_bytes(written)
    assert store(tmp_path).load(3) is not None


def test_a_view_that_cannot_be_written_is_told_and_none_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store(tmp_path).save(3, VIEWS["no content"])
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Path, "replace", full)
        store(tmp_path).save(3, VIEWS["contents"])
    assert [record.message for record in caplog.records] == ["view not kept"]
    assert list(tmp_path.iterdir()) == []
