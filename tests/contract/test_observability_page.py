"""The page on what to watch asks for metrics and labels that exist."""

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from coordinator.metrics import CoordinatorMetrics
from shard_server.metrics import Metrics
from tests.deploy.exported import OF_RAY

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
# What Prometheus itself adds to every sample.
OF_PROMETHEUS = {"job", "instance", "le"}


def labels_by_name() -> dict[str, set[str]]:
    """Returns the labels of every series of both processes, by the name that a query would use."""
    found: dict[str, set[str]] = {}
    for registry in (CoordinatorMetrics().registry, Metrics().registry):
        assert isinstance(registry, CollectorRegistry)
        for collector in list(registry._collector_to_names):
            labels = set(collector._labelnames)  # type: ignore[attr-defined]
            for name in registry._collector_to_names[collector]:
                found[name] = labels
    return found


KNOWN = labels_by_name()
QUERIES = [
    line
    for block in re.findall(r"```promql\n(.*?)```", PAGE, re.DOTALL)
    for line in re.sub(r"\n  +", " ", block).splitlines()
    if not line.startswith("#")
]


def test_the_page_has_queries_for_both_processes() -> None:
    assert len(QUERIES) > 20
    assert any("headwater_shard_" in query for query in QUERIES)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_series_and_labels_that_exist(query: str) -> None:
    names = re.findall(r"headwater_[a-z_]+", query)
    assert all(name in KNOWN for name in names), f"not a series: {[name for name in names if name not in KNOWN]}"
    asked = {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}
    asked |= {label for group in re.findall(r"\{([^}]*)\}", query) for label in re.findall(r"(\w+)(?:=|!)", group)}
    for name in names:
        assert asked <= KNOWN[name] | OF_PROMETHEUS
    assert query.count("(") == query.count(")")


def test_the_metrics_in_the_text_exist_too() -> None:
    for name in re.findall(r"`(headwater_[a-z_]+)", PAGE):
        assert name in KNOWN
    for name in re.findall(r"`(ray_[a-z_]+)", PAGE):
        assert name in OF_RAY
    for name in re.findall(r"`([a-z_]+(?:_share|_total))\b", PAGE):
        assert name in KNOWN or f"headwater_coordinator_{name}" in KNOWN or name in OF_RAY
