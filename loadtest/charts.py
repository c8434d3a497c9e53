"""Pictures of measurements as SVG: lines over time, rate or percentile, in the colours of the page that holds them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 10, 32
# More points than this are not told apart on a screen.
_MOST_POINTS = 700
_TICKS = 5

Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """A line, and its name in the legend.

    Attributes:
        label: Its name.
        points: ``(x, y)``, x ascending. Where y is None the line is broken.
        colour: Which of the page's colours, 1 to 5; 5 is a quiet one.
        dots: Whether each point is marked.
        hollow: The points whose mark is hollow, by number.
        fill: Whether the area below is filled.
    """

    label: str
    points: Sequence[tuple[float, float | None]]
    colour: int
    dots: bool = False
    hollow: frozenset[int] = frozenset()
    fill: bool = False


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the x axis that is shaded."""

    start: float
    end: float
    label: str


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line, such as a target."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis.

    Attributes:
        label: What it shows, with its unit.
        tell: How a value is written.
        scale: How values are spread. ``nines`` takes percentiles: each nine gets the same room.
        lowest: Least value shown; None: as the values say.
        highest: Largest value shown; None: as the values say.
    """

    label: str
    tell: Format
    scale: Literal["linear", "log", "nines"] = "linear"
    lowest: float | None = None
    highest: float | None = None


def line_chart(
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    description: str,
    *,
    bands: Sequence[Band] = (),
    levels: Sequence[Level] = (),
    width: int = 520,
    height: int = 220,
) -> str:
    """Returns lines over an x axis, with a legend if there are several.

    ``description`` is what is read to those who do not see the picture.
    """
    shown = [(one, _thinned(one.points)) for one in series]
    xs = [at for _, points in shown for at, _ in points]
    ys = [value for _, points in shown for _, value in points if value is not None]
    across = _Scale.of(x, xs, _LEFT, width - _RIGHT, tight=True)
    up = _Scale.of(y, [*ys, *(level.value for level in levels)], height - _BOTTOM, _TOP, tight=False)
    parts = [_band(band, across, height) for band in bands]
    parts += _grid(across, up, width, height)
    for one, points in shown:
        parts.append(_line(one, points, across, up))
    parts += [_level(level, up, width) for level in levels]
    label = f'<text class="axis" x="{width - _RIGHT}" y="{height - 3}" text-anchor="end">{escape(x.label)}</text>'
    told = f'viewBox="0 0 {width} {height}" role="img" aria-label="{escape(description)}"'
    picture = f"<svg {told}>{''.join(parts)}{label}</svg>"
    return legend([(one.label, one.colour) for one in series]) + picture if len(series) > 1 else picture


def legend(entries: Sequence[tuple[str, int]]) -> str:
    """Returns the names of series with their colours."""
    cells = "".join(f'<span><i class="c{colour}"></i>{escape(label)}</span>' for label, colour in entries)
    return f'<p class="legend">{cells}</p>'


def spark(points: Sequence[tuple[float, float]], description: str, *, width: int = 150, height: int = 30) -> str:
    """Returns a line as small as a word: from its lowest value, and never so stretched that noise looks like a trend.

    The picture covers at least a fifth of the largest value.
    """
    thinned = [(at, value) for at, value in _thinned(points) if value is not None]
    if not thinned:
        return ""
    values = [value for _, value in thinned]
    room = max(max(values) - min(values), max(values) / 5, 1.0)
    middle = (max(values) + min(values)) / 2
    first, last = thinned[0][0], thinned[-1][0]
    along = [
        f"{width * (at - first) / ((last - first) or 1):.1f},{height * (0.5 - 0.86 * (value - middle) / room):.1f}"
        for at, value in thinned
    ]
    return (
        f'<svg class="spark" viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img" '
        f'aria-label="{escape(description)}"><polyline class="line c1" points="{" ".join(along)}"/></svg>'
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """From values to places in the picture."""

    axis: Axis
    low: float
    high: float
    begin: float
    end: float

    @classmethod
    def of(cls, axis: Axis, values: Sequence[float], begin: float, end: float, *, tight: bool) -> "_Scale":
        low = axis.lowest if axis.lowest is not None else min(values, default=0.0)
        high = axis.highest if axis.highest is not None else max(values, default=1.0)
        if axis.scale == "log":
            low, high = max(low, 1e-3), max(high, 2e-3)
            if not tight:
                low, high = 10.0 ** math.floor(math.log10(low)), _round_up(high)
        elif axis.scale == "linear" and not tight:
            low = axis.lowest if axis.lowest is not None else min(0.0, low)
            high = axis.highest if axis.highest is not None else low + _round_up((high - low) or 1.0)
        return cls(axis, low, high if high > low else low + 1.0, begin, end)

    def place(self, value: float) -> float:
        low, high, at = (self._spread(each) for each in (self.low, self.high, value))
        return self.begin + (self.end - self.begin) * min(1.0, max(0.0, (at - low) / (high - low)))

    def ticks(self) -> list[float]:
        if self.axis.scale == "nines":
            return [each for each in (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999) if self.low <= each <= self.high]
        if self.axis.scale == "log":
            return _log_ticks(self.low, self.high)
        step = _nice_step((self.high - self.low) / _TICKS)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]

    def _spread(self, value: float) -> float:
        if self.axis.scale == "log":
            return math.log10(max(value, 1e-3))
        if self.axis.scale == "nines":
            return -math.log10(max(1e-7, 1 - min(value, self.high) / 100))
        return value


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 2 else (1, 3) if last - first <= 3 else (1,)
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]


def _nice_step(least: float) -> float:
    unit = 10.0 ** math.floor(math.log10(least))
    return next(unit * step for step in (1, 2, 2.5, 5, 10) if unit * step >= least * 0.999999)


def _round_up(value: float) -> float:
    unit = 10.0 ** math.floor(math.log10(value))
    return next(unit * step for step in (1, 1.25, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if unit * step >= value * 0.999999)


def _thinned(points: Sequence[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """Returns at most `_MOST_POINTS` points: of each stretch the highest, so that no peak is lost."""
    size = math.ceil(len(points) / _MOST_POINTS)
    if size <= 1:
        return list(points)
    kept = []
    for first in range(0, len(points), size):
        stretch = points[first : first + size]
        known = [point for point in stretch if point[1] is not None]
        kept.append(max(known, key=lambda point: point[1] or 0.0) if known else stretch[0])
    return kept


def _line(series: Series, points: Sequence[tuple[float, float | None]], across: _Scale, up: _Scale) -> str:
    parts: list[str] = []
    stretch: list[tuple[float, float]] = []
    for at, value in [*points, (0.0, None)]:
        if value is not None:
            stretch.append((across.place(at), up.place(value)))
            continue
        if stretch:
            parts.append(_polyline(series, stretch, up))
        stretch = []
    if series.dots:
        for number, (at, value) in enumerate(points):
            if value is not None:
                x, y = across.place(at), up.place(value)
                kind = f"c{series.colour}{' hollow' if number in series.hollow else ''}"
                parts.append(
                    f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
                    f"<title>{escape(across.axis.tell(at))}: {escape(up.axis.tell(value))}</title></circle>"
                )
    return "".join(parts)


def _polyline(series: Series, places: Sequence[tuple[float, float]], up: _Scale) -> str:
    # A lone point would not be seen as a line.
    if len(places) == 1:
        places = [places[0], (places[0][0] + 1.5, places[0][1])]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    under = ""
    if series.fill:
        floor = f"{places[-1][0]:.1f},{up.begin:.1f} {places[0][0]:.1f},{up.begin:.1f}"
        under = f'<polygon class="under c{series.colour}" points="{line} {floor}"/>'
    return f'{under}<polyline class="line c{series.colour}" points="{line}"/>'


def _grid(across: _Scale, up: _Scale, width: int, height: int) -> list[str]:
    parts = []
    for tick in up.ticks():
        y = up.place(tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(up.axis.tell(tick))}</text>'
        )
    for tick in across.ticks():
        x, y = across.place(tick), height - _BOTTOM
        anchor = "end" if x > width - 2 * _RIGHT else "middle"
        parts.append(
            f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{y + 4}"/>'
            f'<text x="{x:.1f}" y="{y + 15}" text-anchor="{anchor}">{escape(across.axis.tell(tick))}</text>'
        )
    return parts


def _band(band: Band, across: _Scale, height: int) -> str:
    start, end = across.place(band.start), across.place(band.end)
    return (
        f'<rect class="band" x="{start:.1f}" y="{_TOP}" width="{max(1.0, end - start):.1f}" '
        f'height="{height - _TOP - _BOTTOM}"><title>{escape(band.label)}</title></rect>'
    )


def _level(level: Level, up: _Scale, width: int) -> str:
    y = up.place(level.value)
    return (
        f'<line class="level" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="level" x="{_LEFT + 5}" y="{y - 4:.1f}">{escape(level.label)}</text>'
    )
