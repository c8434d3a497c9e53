"""Rules and panels ask for what the servers export, and nothing that they export is forgotten."""

import re
from functools import cache

import pytest

from deploy.grafana.dashboard import ROWS
from tests.deploy import exported
from tests.deploy.promql import Asked, asked, grouped_by

# Metrics that no panel shows, and why.
NOT_SHOWN = {
    "headwater_coordinator_reads_total": "the shard servers count the same reads, and those of failed calls",
    "headwater_coordinator_read_bytes_total": "as the reads",
    "headwater_coordinator_rate_limit_clients": "says how much memory the rate limit takes, which is bounded",
    "process_virtual_memory_bytes": "of a process that maps its index it says nothing",
    "process_start_time_seconds": "for queries by hand: when did it start",
    "process_max_fds": "an alert compares the open files with it",
}
PANELS = [(panel.title, query.expression) for row in ROWS for panel in row.panels for query in panel.queries]
ALERTS = [(rule["alert"], rule["expr"]) for rule in exported.rules("alerts.yml")]
RECORDED = list(exported.recorded().items())
ALL = [pytest.param(expression, id=f"{name}: {expression}"[:90]) for name, expression in PANELS + ALERTS + RECORDED]
KNOWN = exported.labels_by_series()
BUCKETS = exported.buckets()


def test_there_is_something_to_compare() -> None:
    assert len(PANELS) > 60
    assert len(ALERTS) > 30
    assert len(exported.families()) > 45


@pytest.mark.parametrize("expression", ALL)
def test_series_and_labels_exist(expression: str) -> None:
    series = asked(expression)
    assert series or expression == "vector(0)"
    for one in series:
        assert one.name in KNOWN, f"{one.name} is not exported"
        labels = set(one.values) | grouped_by(expression)
        assert labels <= KNOWN[one.name] | ({"le"} if one.name.endswith("_bucket") else set())


@pytest.mark.parametrize("expression", ALL)
def test_values_of_labels_can_occur(expression: str) -> None:
    for one in asked(expression):
        for label, values in one.values.items():
            assert set(values) <= allowed(one, label), f"{one.name}{{{label}}}"


def allowed(one: Asked, label: str) -> set[str]:
    """Returns the values that a label of a series can have."""
    if label == "le":
        return BUCKETS[one.name]
    if label == "reason":
        return reasons(one.name)
    found = exported.VALUES.get((one.name, label)) or exported.VALUES.get(("", label))
    assert found is not None, f"which values has {label} of {one.name}?"
    return found


@cache
def reasons(name: str) -> set[str]:
    """Returns the words of a metric's documentation, in which its reasons are listed."""
    (documentation,) = {
        metric.documentation
        for registry in exported.registries()
        for metric in registry.collect()
        if f"{metric.name}_total" == name
    }
    return set(re.findall(r"\w+", documentation.partition("by reason")[2]))


def test_the_name_of_a_recorded_series_says_its_labels() -> None:
    for record, expression in RECORDED:
        outermost = re.findall(r"\bby \(([^)]*)\)", expression)
        labels = {label.strip() for label in outermost[0].split(",")} - {"le"} if outermost else set()
        labels -= exported.OF_RELEASE
        assert exported.level_of(record) == labels, record
        assert (
            asked(expression)[0].name in record
            or record.startswith("headwater:")
            or ":headwater_" in record
            or ("process_cpu" in record)
        )


@pytest.mark.parametrize("expression", [pytest.param(each, id=name) for name, each in ALERTS + RECORDED])
def test_rules_know_releases_apart(expression: str) -> None:
    aggregations = re.findall(r"(?<!:)\b(?:sum|min|max|count|avg)\s*(?:by \(([^)]*)\) )?\(", expression)
    for labels in aggregations:
        assert set(labels.replace(" ", "").split(",")) >= exported.OF_RELEASE
    assert "vector(" not in expression


def test_every_recorded_series_is_used() -> None:
    used = {one.name for _, expression in PANELS + ALERTS for one in asked(expression)}
    assert not set(exported.recorded()) - used


def test_every_metric_is_shown_or_there_is_a_reason() -> None:
    sources = exported.recorded()
    names = {one.name for _, expression in PANELS for one in asked(expression)}
    names |= {one.name for name in names & set(sources) for one in asked(sources[name])}
    shown = {exported.family_of(name) for name in names}
    forgotten = exported.families() - shown - set(NOT_SHOWN)
    assert not forgotten, f"give {sorted(forgotten)} a panel (deploy/grafana), or a reason in NOT_SHOWN"
    assert not set(NOT_SHOWN) & shown, f"{sorted(set(NOT_SHOWN) & shown)} are shown"
    assert set(NOT_SHOWN) <= exported.families()


def test_what_is_asked_of_ray_is_what_is_kept_of_it() -> None:
    used = {one.name for _, expression in PANELS + ALERTS for one in asked(expression)}
    assert {name for name in used if name.startswith("ray_")} == set(exported.OF_RAY)
    for file in ("prometheus.yml", "prometheus-kubernetes.yml"):
        jobs = {job["job_name"]: job for job in exported.read_yaml(exported.RULES.parent / file)["scrape_configs"]}
        keep, drop = jobs["headwater-ray"]["metric_relabel_configs"]
        assert (keep["action"], keep["source_labels"]) == ("keep", ["__name__"])
        for name, labels in exported.OF_RAY.items():
            assert re.fullmatch(keep["regex"], name)
            assert not any(re.fullmatch(drop["regex"], label) for label in labels)
        assert not re.fullmatch(keep["regex"], "ray_object_store_memory")


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('sum by (a) (rate(x_total{b=~"c|d"}[5m])) > 0 and y:z:rate5m', ["x_total", "y:z:rate5m"]),
        ("histogram_quantile(0.5, sum by (le, m) (rate(h_bucket[$__rate_interval])))", ["h_bucket"]),
        ("(sum(r) or vector(0)) < 1", ["r"]),
        ("max by (a) (x - ignoring(le) y)", ["x", "y"]),
    ],
)
def test_series_are_found_in_an_expression(expression: str, names: list[str]) -> None:
    assert [one.name for one in asked(expression)] == names
