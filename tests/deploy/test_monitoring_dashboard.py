"""The dashboard is what its description says, and one that Grafana can show."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.grafana.dashboard import FILE, ROWS, text
from deploy.grafana.panels import COLUMNS, Lines, Query, Row, laid_out
from deploy.grafana.queries import RELEASE, of_release
from tests.deploy import exported, promql
from tests.deploy.validators import DEPLOY, run, validator

DASHBOARD: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
# What Grafana fills in, and something that it may fill in.
FILLED_IN = {"$__rate_interval": "5m", "$corpus": ".*", "$namespace": ".*", "$release": ".*"}


def test_the_file_is_what_its_description_says() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run python -m deploy.grafana.dashboard"


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything) > 60
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in everything):
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken
        assert place["x"] + place["w"] <= COLUMNS
        taken |= cells


def test_every_panel_has_a_title_of_its_own_in_its_row_a_unit_and_queries() -> None:
    for row in ROWS:
        assert len({panel.title for panel in row.panels}) == len(row.panels)
    for panel in PANELS:
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["targets"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_every_variable_is_one_of_the_dashboard_or_of_grafana() -> None:
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", FILE.read_text(encoding="utf-8")))
    assert used == names | {"__rate_interval", "__all"}


def test_variables_ask_for_labels_that_exist() -> None:
    queries = [
        variable["query"]["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query"
    ]
    found = [re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", query) for query in queries]
    asked = [one.groups() for one in found if one is not None]
    assert [label for _, label in asked] == ["namespace", "release", "corpus"]
    for metric, label in asked:
        assert label in exported.labels_by_series()[metric] | exported.OF_TARGETS


def test_every_series_is_of_the_chosen_releases() -> None:
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    expressions += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
    for series in itertools.chain.from_iterable(map(promql.asked, expressions)):
        chosen = {label: values for label, values in series.values.items() if label in ("namespace", "release")}
        assert chosen == {"namespace": ("$namespace",), "release": ("$release",)}, series
    assert of_release('sum(up) / sum(headwater_x{a="b"})') == (
        f'sum(up{{{RELEASE}}}) / sum(headwater_x{{{RELEASE},a="b"}})'
    )


def test_prometheus_reads_every_expression(tmp_path: Path) -> None:
    expressions = [target["expr"] for panel in PANELS for target in panel["targets"]]
    expressions += [annotation["expr"] for annotation in DASHBOARD["annotations"]["list"]]
    for variable, value in FILLED_IN.items():
        expressions = [expression.replace(variable, value) for expression in expressions]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    found = run([validator("promtool", package="prometheus"), "check", "rules", "--no-lint-fatal", file])
    assert found.returncode == 0, found.stdout + found.stderr
    assert f"{len(expressions)} rules found" in found.stdout + found.stderr


def test_grafana_finds_its_data_source_and_the_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = exported.read_yaml(provisioning / "datasources" / "headwater.yml")["datasources"]
    assert (source["type"], source["uid"], source["isDefault"]) == ("prometheus", "prometheus", True)
    interval = exported.read_yaml(DEPLOY / "prometheus" / "prometheus.yml")["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    (provider,) = exported.read_yaml(provisioning / "dashboards" / "headwater.yml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


def test_panels_stand_side_by_side_as_they_fit() -> None:
    panels = [Lines(str(number), [Query("up")], width=10, height=height) for number, height in enumerate((3, 5, 2))]
    places = [panel["gridPos"] for panel in laid_out([Row("first", panels), Row("second", panels[:1])])]
    assert [(place["x"], place["y"]) for place in places] == [(0, 0), (0, 1), (10, 1), (0, 6), (0, 8), (0, 9)]


def test_panels_of_a_closed_row_are_inside_it() -> None:
    (row,) = laid_out([Row("closed", [Lines("one", [Query("up")])], is_closed=True)])
    assert [panel["title"] for panel in row["panels"]] == ["one"]


def test_a_panel_wider_than_the_dashboard_is_refused() -> None:
    with pytest.raises(ValueError, match="found a width of 25, expected 24 at most"):
        laid_out([Row("wide", [Lines("one", [Query("up")], width=25)])])
