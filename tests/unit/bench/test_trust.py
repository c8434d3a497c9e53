"""How protections add up, and what their cost is a share of."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from bench.trust import Measured, Protection, protections
from coordinator.takedown_list import TakedownList
from index_format.takedowns import ContentTarget
from tests.tiny_index import write_index


def test_each_protection_keeps_those_before_it() -> None:
    first = Protection("first", "first", {"a": 1}, {"s": 1}, {"c": 1})
    both = first.with_more(Protection("second", "second", {"a": 2, "b": 2}, {}, {"d": 2}))
    assert both == Protection("second", "second", {"a": 2, "b": 2}, {"s": 1}, {"c": 1, "d": 2})


def test_the_last_row_has_all_of_them(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", [["one text", "another"], ["a third"]])
    *_, last = protections(tmp_path, index)
    assert last.coordinator["redaction"] == "redact"
    assert last.coordinator["result_cache_bytes"] == 0, "every trace is made anew"
    assert {"keys_file", "tls_client_ca", "shard_tls_cert"} <= last.coordinator.keys()
    assert "tls_client_ca" in last.shards
    assert {"api_key", "certificate", "ca"} <= last.client.keys()
    assert last.hides
    kept = TakedownList.parse((tmp_path / "takedowns.json").read_bytes(), tmp_path).takedowns
    first = ContentTarget(hashlib.sha256(np.frombuffer(b"one text", np.uint8).astype("<u4").tobytes()).hexdigest(), 8)
    assert len(kept) == 100_000
    assert first in {one.target for one in kept}, "the first of every four documents of a shard"
    assert last.client["api_key"] not in (tmp_path / "keys.yaml").read_text()


def test_overhead_is_that_of_the_medians() -> None:
    assert Measured([10, 10, 10], [11, 11, 99]).overhead == pytest.approx(0.1)
