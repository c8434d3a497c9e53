"""Requests for many windows are cut into calls that a server takes, and nothing is lost or moved."""

import pytest

from coordinator.cluster.shard_client import split_windows
from coordinator.values import WindowQuery
from shard_server.config import ShardServerConfig


@pytest.mark.parametrize(
    ("num_windows", "context", "length"), [(0, 250, 3), (1, 250, 3), (1024, 1, 1), (5000, 250, 3), (9, 2000, 200_000)]
)
def test_the_parts_make_the_whole_and_fit_the_server_s_limits(num_windows: int, context: int, length: int) -> None:
    query = WindowQuery(tuple(range(num_windows)), (length,) * num_windows, context, 40)
    parts = list(split_windows(query))
    limits = {name: field.default for name, field in ShardServerConfig.model_fields.items()}
    assert tuple(rank for part in parts for rank in part.ranks) == query.ranks
    assert tuple(each for part in parts for each in part.lengths) == query.lengths
    for part in parts:
        assert 0 < len(part.ranks) <= limits["max_windows"]
        assert sum(part.lengths) + 2 * context * len(part.ranks) <= limits["max_window_tokens"]
        assert (part.context_tokens, part.snippet_tokens) == (context, 40)
