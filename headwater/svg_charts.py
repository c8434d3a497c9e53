"""Pictures of numbers as SVG: bars and a curve, in the colours of the page that holds them."""

import math
from collections.abc import Sequence
from html import escape

_WIDTH, _HEIGHT = 520, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 8, 12, 30
_INNER_WIDTH = _WIDTH - _LEFT - _RIGHT
_INNER_HEIGHT = _HEIGHT - _TOP - _BOTTOM
# Labels under the bars before they are thinned out.
_MOST_LABELS = 14


def bar_chart(bars: Sequence[tuple[str, float, str]], description: str) -> str:
    """Returns bars, left to right, of each the label under it, its height as a share, and what pointing at it tells.

    ``description`` is what is read to those who do not see the picture.
    """
    highest = max((height for _, height, _ in bars), default=0) or 1
    top = _round_up(highest)
    step = _INNER_WIDTH / max(1, len(bars))
    parts = [_grid(top)]
    every = math.ceil(len(bars) / _MOST_LABELS) if bars else 1
    for number, (label, height, told) in enumerate(bars):
        x = _LEFT + number * step
        tall = _INNER_HEIGHT * height / top
        parts.append(
            f'<rect class="bar" x="{x + step * 0.1:.1f}" y="{_TOP + _INNER_HEIGHT - tall:.1f}" '
            f'width="{step * 0.8:.1f}" height="{tall:.1f}"><title>{escape(told)}</title></rect>'
        )
        if number % every == 0:
            parts.append(f'<text x="{x + step / 2:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{escape(label)}</text>')
    return _picture("".join(parts), description)


def curve_chart(points: Sequence[tuple[int, float]], marks: Sequence[tuple[int, float]], description: str) -> str:
    """Returns a curve over a logarithmic axis, the first point at its left end, with some of its points marked."""
    top = _round_up(max((share for _, share in points), default=0) or 1)
    first = math.log(points[0][0])
    last = math.log(points[-1][0])

    def place(at: int, share: float) -> tuple[float, float]:
        return _LEFT + _INNER_WIDTH * (math.log(at) - first) / (last - first), _TOP + _INNER_HEIGHT * (1 - share / top)

    line = " ".join("{:.1f},{:.1f}".format(*place(at, share)) for at, share in points)
    floor = f"{_LEFT + _INNER_WIDTH},{_TOP + _INNER_HEIGHT} {_LEFT},{_TOP + _INNER_HEIGHT}"
    parts = [
        f'<polygon class="under" points="{line} {floor}"/>',
        _grid(top),
        f'<polyline class="curve" points="{line}"/>',
    ]
    for at, share in marks:
        x, y = place(at, share)
        anchor = "end" if x > _WIDTH - 60 else "start"
        parts.append(
            f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5">'
            f"<title>{at} tokens: {_percent(share)}</title></circle>"
            f'<text class="mark" x="{x + (-2 if anchor == "end" else 3):.1f}" y="{max(_TOP + 9, y - 7):.1f}" '
            f'text-anchor="{anchor}">{_percent(share)}</text>'
            f'<text x="{x:.1f}" y="{_HEIGHT - 12}" text-anchor="{"end" if anchor == "end" else "middle"}">{at}</text>'
        )
    return _picture("".join(parts), description)


def share_bar(share: float) -> str:
    """Returns a bar for a table, as long as the share, 0 to 1, says; the number stands beside it."""
    return (
        '<svg viewBox="0 0 100 12" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="bar" width="{100 * min(1.0, max(0.0, share)):.2f}" height="12"/></svg>'
    )


def _picture(content: str, description: str) -> str:
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(description)}">{content}</svg>'


def _grid(top: float) -> str:
    lines = []
    for part in range(5):
        y = _TOP + _INNER_HEIGHT * (1 - part / 4)
        lines.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_percent(top * part / 4)}</text>'
        )
    return "".join(lines)


def _round_up(share: float) -> float:
    """Returns a share that is easy to divide by four, at least as large."""
    unit = 10.0 ** math.floor(math.log10(share))
    return next(unit * step for step in (1, 2, 4, 6, 8, 10) if unit * step >= share * 0.999999)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share == 0 or share >= 0.0995 else f"{share * 100:.2g}%"
