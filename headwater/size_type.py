"""An option that is a number of bytes."""

import re
from typing import Any

import click

from headwater.plain_text import shorten

_DECIMAL = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30, "ti": 1 << 40}
_UNITS = _DECIMAL | _BINARY
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(|[kmgt]i?)b?", re.IGNORECASE)
_TOO_LARGE = 1 << 60


class SizeType(click.ParamType[int]):
    """A number of bytes with an optional unit: ``500MB``, ``4GiB``, ``1.5g``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Returns the number of bytes."""
        if isinstance(value, int):
            return value
        if (match := _SIZE.fullmatch(value.strip())) is None:
            self.fail(f"{value!r} is not a size; write a number and a unit, like 500MB or 4GiB", param, ctx)
        size = float(match[1]) * _UNITS[match[2].lower()]
        if size >= _TOO_LARGE:
            self.fail(
                f"{shorten(value, 40)!r} is more than any machine has; write a size like 500MB or 4GiB", param, ctx
            )
        return int(size)
