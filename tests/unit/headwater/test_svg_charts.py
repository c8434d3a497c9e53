import re
from xml.etree import ElementTree

import pytest

from headwater.svg_charts import bar_chart, curve_chart, share_bar


def heights(picture: str) -> list[float]:
    return [float(height) for height in re.findall(r'class="bar"[^>]* height="([\d.]+)"', picture)]


def test_bars_are_as_high_as_their_shares() -> None:
    bars = bar_chart([("1", 0.1, "a"), ("2", 0.4, "b"), ("4", 0.0, "c")], "lengths")
    ElementTree.fromstring(bars)
    low, high, none = heights(bars)
    assert high == pytest.approx(4 * low, abs=0.2)
    assert none == 0


@pytest.mark.parametrize("top", [1e-7, 0.011, 0.3, 1.0])
def test_the_highest_bar_fits_and_fills_at_least_half_of_the_picture(top: float) -> None:
    (height,) = heights(bar_chart([("1", top, "")], ""))
    assert 178 / 2.1 <= height <= 178


def test_a_picture_of_nothing_is_a_picture() -> None:
    ElementTree.fromstring(bar_chart([], "none"))
    ElementTree.fromstring(bar_chart([("1", 0.0, "")], "none"))


def test_what_is_told_is_never_markup() -> None:
    picture = bar_chart([("<b>", 0.5, '"><script>alert(1)</script>')], '"><img src=x>')
    assert "<script" not in picture
    assert "<img" not in picture
    ElementTree.fromstring(picture)


def test_the_marks_of_a_curve_are_on_it() -> None:
    points = [(4, 0.4), (8, 0.2), (255, 0.001)]
    picture = curve_chart(points, [(8, 0.2)], "repeats")
    ElementTree.fromstring(picture)
    line = re.search(r'class="curve" points="([^"]+)"', picture)
    dot = re.search(r'cx="([\d.]+)" cy="([\d.]+)"', picture)
    assert line
    assert dot
    places = [tuple(map(float, place.split(","))) for place in line[1].split()]
    assert places[1] == (float(dot[1]), float(dot[2]))
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert "20%" in picture


@pytest.mark.parametrize(("share", "width"), [(0.25, "25.00"), (2.0, "100.00"), (-1.0, "0.00")])
def test_a_bar_in_a_table_stays_in_its_cell(share: float, width: str) -> None:
    assert f'width="{width}"' in share_bar(share)
