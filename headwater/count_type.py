"""A number of things with a unit, on the command line."""

import re
from typing import Any

import click

from headwater.plain_text import shorten

# A billion is written B by those who count tokens.
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "t": 10**12}
_COUNT = re.compile(r"(\d[\d,_]*(?:\.\d+)?) ?(|[kmgbt])", re.IGNORECASE)
_TOO_LARGE = 1 << 60


class CountType(click.ParamType[int]):
    """A number of things with an optional unit: ``4.6T``, ``500B``, ``30M``, ``1,000``."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the number, at least 1, or fails with what to write."""
        if isinstance(value, int):
            return value
        if (match := _COUNT.fullmatch(value.strip())) is None:
            self.fail(f"{value!r} is not a number; write one like 30M, 500B or 4.6T", param, ctx)
        number = round(float(match[1].replace(",", "").replace("_", "")) * _UNITS[match[2].lower()])
        if not 1 <= number < _TOO_LARGE:
            self.fail(f"{shorten(value, 40)!r} is out of range; write a number like 30M, 500B or 4.6T", param, ctx)
        return number
