"""What a server that obeys takedowns does when something beside them fails, and at its start."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from index_format.takedowns import ContentTarget, Takedown, view_id
from shard_server.config import ShardServerConfig
from shard_server.errors import ViewGoneError
from shard_server.shards import OpenShards, open_shards
from shard_server.takedown_store import KeptTakedowns
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
