"""What a PromQL expression asks for: series, labels, values. Enough for our own; promtool checks the rest."""

import re
from dataclasses import dataclass

_KEYWORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset"}
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SERIES = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?:\{(?P<labels>[^}]*)\})?")
_LABEL = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')


@dataclass(frozen=True)
class Asked:
    """A series that is asked for; ``values`` has the values of each label that is selected, alternatives apart."""

    name: str
    values: dict[str, tuple[str, ...]]


def asked(expression: str) -> list[Asked]:
    """Returns the series that an expression asks for."""
    without_ranges = re.sub(r"\[[^\]]*\]", "", _GROUPING.sub("", expression))
    found = []
    for match in _SERIES.finditer(without_ranges):
        name, labels = match["name"], match["labels"]
        is_function = without_ranges[match.end() :].lstrip().startswith("(") and labels is None
        if is_function or name in _KEYWORDS:
            continue
        values = {label: tuple(value.split("|")) for label, _, value in _LABEL.findall(labels or "")}
        found.append(Asked(name, values))
    return found


def grouped_by(expression: str) -> set[str]:
    """Returns every label by which something is grouped or matched."""
    return {label.strip() for group in _GROUPING.findall(expression) for label in group.split(",") if label.strip()}
