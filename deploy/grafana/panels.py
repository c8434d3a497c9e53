"""Panels of a Grafana dashboard, as the JSON that Grafana reads. Only what our dashboard needs."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

Json: TypeAlias = dict[str, Any]

# A dashboard is 24 columns wide.
COLUMNS = 24
_ROW_HEIGHT = 1
_DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True, slots=True)
class Query:
    """A PromQL expression, and what a series of it is called (``{{label}}`` stands for a label)."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Threshold:
    """The colour of values from ``value`` on; None: of all below the next."""

    value: float | None
    colour: str


@dataclass(frozen=True, slots=True)
class Panel(ABC):
    """What every kind of panel has.

    Attributes:
        title: What it shows.
        queries: Where the values come from.
        unit: Grafana's name of a unit: ``s``, ``percentunit``, ``reqps``, ``bytes``, ``short``, ...
        description: What a high or a low value means.
        width: In columns.
        height: In rows of 30 pixels.
        thresholds: Colours by value, from the lowest up.
        lowest: Least value of the axis; None: what the values need.
        highest: The same at the other end.
    """

    title: str
    queries: Sequence[Query]
    unit: str = "short"
    description: str = ""
    width: int = 8
    height: int = 8
    thresholds: Sequence[Threshold] = ()
    lowest: float | None = 0
    highest: float | None = None

    def with_queries(self, change: Callable[[str], str]) -> Self:
        """Returns the panel with every expression changed."""
        return replace(self, queries=[replace(one, expression=change(one.expression)) for one in self.queries])

    def as_json(self, number: int, x: int, y: int) -> Json:
        """Returns the panel at a place of the dashboard."""
        defaults: Json = {"unit": self.unit, **self._field_defaults()}
        if self.lowest is not None:
            defaults["min"] = self.lowest
        if self.highest is not None:
            defaults["max"] = self.highest
        if self.thresholds:
            steps = [{"value": step.value, "color": step.colour} for step in self.thresholds]
            defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        return {
            "id": number,
            "type": self._kind,
            "title": self.title,
            "description": self.description,
            "datasource": _DATA_SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "targets": [self._target(query, place) for place, query in enumerate(self.queries)],
            "fieldConfig": {"defaults": defaults, "overrides": []},
            **self._more(),
        }

    @property
    @abstractmethod
    def _kind(self) -> str:
        """Grafana's name of the kind."""

    def _field_defaults(self) -> Json:
        return {}

    def _more(self) -> Json:
        return {}

    def _target(self, query: Query, place: int) -> Json:
        return {
            "refId": chr(ord("A") + place),
            "datasource": _DATA_SOURCE,
            "expr": query.expression,
            "legendFormat": query.legend or "__auto",
        }


@dataclass(frozen=True, slots=True)
class Lines(Panel):
    """Values over time. ``stacked``: as areas on top of one another."""

    stacked: bool = False

    @property
    def _kind(self) -> str:
        return "timeseries"

    def _field_defaults(self) -> Json:
        custom: Json = {
            "lineWidth": 1,
            "fillOpacity": 25 if self.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if self.stacked else "none"},
        }
        if self.thresholds:
            custom["thresholdsStyle"] = {"mode": "dashed"}
        return {"custom": custom}

    def _more(self) -> Json:
        return {
            "options": {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        }


@dataclass(frozen=True, slots=True)
class Number(Panel):
    """The present value, large; the worst of them where there are several."""

    width: int = 4
    height: int = 4
    none: str = "none"

    @property
    def _kind(self) -> str:
        return "stat"

    def _field_defaults(self) -> Json:
        return {"noValue": self.none}

    def _more(self) -> Json:
        return {
            "options": {
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "colorMode": "value",
                "graphMode": "area",
                "textMode": "auto",
            }
        }


@dataclass(frozen=True, slots=True)
class Table(Panel):
    """The present values, a row a series with a column a label. ``value`` names the column of the values."""

    value: str = "value"
    hidden: Sequence[str] = field(default=("Time", "__name__", "job"))
    none: str = "none"

    @property
    def _kind(self) -> str:
        return "table"

    def _field_defaults(self) -> Json:
        return {"noValue": self.none}

    def _target(self, query: Query, place: int) -> Json:
        # Not `super()`: it does not know a class with slots that a decorator has made anew.
        return {**Panel._target(self, query, place), "format": "table", "instant": True}

    def _more(self) -> Json:
        organize = {"excludeByName": dict.fromkeys(self.hidden, True), "renameByName": {"Value": self.value}}
        return {
            "options": {"showHeader": True, "cellHeight": "sm"},
            "transformations": [{"id": "organize", "options": organize}],
        }


@dataclass(frozen=True, slots=True)
class Row:
    """Panels under a heading, side by side as they fit."""

    title: str
    panels: Sequence[Panel]
    is_closed: bool = False

    def with_queries(self, change: Callable[[str], str]) -> "Row":
        """Returns the row with every expression of its panels changed."""
        return replace(self, panels=[panel.with_queries(change) for panel in self.panels])


def laid_out(rows: Sequence[Row]) -> list[Json]:
    """Returns the panels of all rows at their places; those of a closed row are inside it, as Grafana wants them.

    Raises:
        ValueError: a panel is wider than the dashboard.
    """
    result: list[Json] = []
    y = 0
    number = 0
    for row in rows:
        number += 1
        heading: Json = {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": row.is_closed,
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": _ROW_HEIGHT},
            "panels": [],
        }
        result.append(heading)
        y += _ROW_HEIGHT
        x = height = 0
        for panel in row.panels:
            if panel.width > COLUMNS:
                raise ValueError(f"panel {panel.title!r}: found a width of {panel.width}, expected {COLUMNS} at most")
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            number += 1
            (heading["panels"] if row.is_closed else result).append(panel.as_json(number, x, y))
            x, height = x + panel.width, max(height, panel.height)
        y += height
    return result
