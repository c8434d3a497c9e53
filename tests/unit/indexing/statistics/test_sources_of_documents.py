import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index_format.layout import METADATA, METAOFF
from indexing.statistics.shard import StatisticsShard
from indexing.statistics.sources_of_documents import count_sources, sources_of, value_of
from tests.unit.indexing.statistics.brute_force import write


def with_metadata(folder: Path, rows: list[tuple[int, dict[str, Any]]]) -> StatisticsShard:
    shard = write(folder, [[1] * length for length, _ in rows], 2)
    lines = [json.dumps({"path": "a.jsonl", "linenum": 0, "metadata": fields}).encode() + b"\n" for _, fields in rows]
    (folder / METADATA).write_bytes(b"".join(lines))
    np.cumsum([0, *map(len, lines)])[:-1].astype("<u8").tofile(folder / METAOFF)
    return shard


def test_sources_are_counted_over_all_shards_most_tokens_first(tmp_path: Path) -> None:
    shards = [
        with_metadata(tmp_path / "0", [(3, {"source": "web"}), (5, {"source": "books"}), (1, {})]),
        with_metadata(tmp_path / "1", [(4, {"source": "web"}), (2, {"source": None})]),
    ]
    counts = [count_sources(shard, "source", 1.0, 0) for shard in shards]
    found = sources_of([count for count in counts if count], "source")
    assert [(row.value, row.num_documents, row.num_tokens) for row in found.largest] == [
        ("web", 2, 7),
        ("books", 1, 5),
        ("(none)", 2, 3),
    ]
    assert (found.documents_looked_at, found.num_values, found.is_cut_off) == (5, 3, False)
    assert found.others.num_documents == 0


def test_values_past_the_most_are_counted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indexing.statistics.sources_of_documents._MOST_VALUES", 3)
    shard = with_metadata(tmp_path, [(2, {"source": str(number % 5)}) for number in range(10)])
    counts = count_sources(shard, "source", 1.0, 0)
    assert counts is not None
    found = sources_of([counts], "source")
    assert (found.num_values, found.is_cut_off) == (3, True)
    assert (found.others.num_documents, found.others.num_tokens) == (4, 8)
    assert sum(row.num_tokens for row in found.largest) + found.others.num_tokens == 20


def test_more_rows_than_are_shown_are_summed_up(tmp_path: Path) -> None:
    shard = with_metadata(tmp_path, [(1, {"source": str(number)}) for number in range(60)])
    counts = count_sources(shard, "source", 1.0, 0)
    assert counts is not None
    found = sources_of([counts], "source")
    assert (found.num_values, found.is_cut_off, len(found.largest)) == (60, False, 50)
    assert found.others.num_documents == 10


def test_a_sample_looks_at_some_documents(tmp_path: Path) -> None:
    shard = with_metadata(tmp_path, [(1, {})] * 2000)
    counts = count_sources(shard, "source", 0.25, 0)
    assert counts is not None
    assert counts.documents_looked_at in (512, 2000 - 3 * 512)


def test_a_shard_without_metadata_tells_nothing(tmp_path: Path) -> None:
    shard = with_metadata(tmp_path / "0", [(1, {})])
    (tmp_path / "0" / METADATA).unlink()
    assert count_sources(replace(shard), "source", 1.0, 0) is None


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        (b'{"path": "a.jsonl", "metadata": {"path": "inner", "source": "web"}}', "path", "a.jsonl"),
        (b'{"path": "a.jsonl", "metadata": {"source": "web"}}', "source", "web"),
        (b'{"source": "outer", "metadata": {"source": "inner"}}', "source", "inner"),
        (b'{"source": "outer", "metadata": 3}', "source", "outer"),
        (b'{"metadata": {"year": 1999}}', "year", "1999"),
        (b'{"metadata": {"tags": ["a", "b"]}}', "tags", '["a", "b"]'),
        (b"{}", "source", "(none)"),
        (b"[]", "source", "(unreadable)"),
        (b"no json", "source", "(unreadable)"),
        (b"", "source", "(unreadable)"),
    ],
)
def test_a_value_is_found_inside_the_documents_fields_first(line: bytes, name: str, value: str) -> None:
    assert value_of(line, name) == value


def test_a_long_value_is_cut() -> None:
    assert len(value_of(json.dumps({"source": "x" * 10_000}).encode(), "source")) == 200
