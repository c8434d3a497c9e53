"""What a server that obeys takedowns does when something beside them fails, and at its start."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from index_format.takedowns import ContentTarget, Takedown, view_id
from shard_server.config import ShardServerConfig
from shard_server.errors import StaleTakedownsError, ViewGoneError
from shard_server.shards import OpenShards, open_shards
from shard_server.takedown_store import KeptTakedowns
from shard_server.view_store import ViewStore
from suffix_engine import ShardCorruptError
from tests.tiny_index import write_index

TEXTS = ["the cat sat", "the dog sat"]


@pytest.fixture
def config(tmp_path: Path) -> ShardServerConfig:
    return ShardServerConfig(index=write_index(tmp_path / "index", [TEXTS]), state_dir=tmp_path / "state")


def kept(shards: OpenShards, epoch: int, *texts: str) -> KeptTakedowns:
    takedowns = []
    for text in texts:
        token_ids = np.array(list(text.encode()), dtype="<u4")
        content = ContentTarget(hashlib.sha256(token_ids.tobytes()).hexdigest(), len(token_ids))
        takedowns.append(Takedown(f"t-{content.sha256[:8]}", content))
    return KeptTakedowns(epoch, shards.index.index_id, tuple(takedowns))


def set_takedowns(shards: OpenShards, list_: KeptTakedowns) -> None:
    assert shards.takedowns is not None
    shards.takedowns.set(list_)


def name_of(*numbers: int) -> str:
    return view_id(np.array(numbers, dtype=np.uint64))


def test_after_a_start_no_text_that_is_withdrawn_is_had_by_the_view_without_takedowns(
    config: ShardServerConfig,
) -> None:
    first = open_shards(config)
    set_takedowns(first, kept(first, 1, TEXTS[0]))
    assert first.views.view_named(0, "").view_id == ""  # for calls that have begun before
    second = open_shards(config)
    assert second.views.view(0).view_id == name_of(0)
    with pytest.raises(ViewGoneError):
        second.views.view_named(0, "")


@pytest.mark.parametrize("error", [ShardCorruptError("made up"), OSError(28, "made up"), MemoryError()])
def test_a_list_in_force_is_no_failure_if_only_its_views_cannot_be_kept(
    config: ShardServerConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    first = open_shards(config)
    one, both = kept(first, 1, TEXTS[0]), kept(first, 2, *TEXTS)
    set_takedowns(first, one)
    with monkeypatch.context() as patch:
        patch.setattr(ViewStore, "save", fail)
        set_takedowns(first, both)
        assert (first.views.view(0).view_id, first.views.described()[0]) == (name_of(0, 1), 2)
        with pytest.raises(StaleTakedownsError):
            set_takedowns(first, one)
        set_takedowns(first, both)  # again: nothing is left to do
        started = open_shards(config)
        assert (started.views.view(0).view_id, started.views.described()[0]) == (name_of(0, 1), 2)
    # Once for the list and once for the start: what was kept before is of the first list.
    assert [record.message for record in caplog.records] == ["view not kept"] * 2
    assert open_shards(config).views.view(0).view_id == name_of(0, 1)
