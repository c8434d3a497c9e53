"""Pictures hold what they are given: at its place, with no peak lost and nobody's text as markup."""

import re
from xml.etree import ElementTree

import pytest

from loadtest.charts import Axis, Band, Level, Series, line_chart, spark


def svg_of(markup: str) -> ElementTree.Element:
    return ElementTree.fromstring(markup[markup.index("<svg") :])


def places(picture: ElementTree.Element) -> list[list[tuple[float, float]]]:
    lines = [each.attrib["points"] for each in picture.iter("polyline")]
    return [[tuple(map(float, place.split(","))) for place in line.split()] for line in lines]  # type: ignore[misc]


def plain(value: float) -> str:
    return f"{value:g}"


X = Axis("seconds", plain)
Y = Axis("", plain, lowest=0.0)


def test_a_line_rises_where_its_values_do_and_breaks_where_there_are_none() -> None:
    series = Series("one", [(0.0, 1.0), (1.0, 3.0), (2.0, None), (3.0, 2.0), (4.0, 2.0)], 1)
    first, second = places(svg_of(line_chart([series], X, Y, "a line")))
    assert first[1][0] > first[0][0] and first[1][1] < first[0][1]
    assert second[0][1] == second[1][1] and second[0][0] > first[1][0]


def test_a_peak_is_seen_among_ever_so_many_points() -> None:
    flat = [(float(at), 1.0) for at in range(100_000)]
    flat[54_321] = (54_321.0, 100.0)
    [line] = places(svg_of(line_chart([Series("one", flat, 1)], X, Y, "a line")))
    assert len(line) < 1_000
    highest = min(y for _, y in line)
    assert [y for _, y in line].count(highest) == 1 and highest < 40


@pytest.mark.parametrize(
    ("scale", "values"),
    [("linear", (10.0, 20.0, 30.0)), ("log", (1.0, 10.0, 100.0)), ("nines", (90.0, 99.0, 99.9))],
)
def test_equal_steps_of_a_scale_take_equal_room(scale: str, values: tuple[float, ...]) -> None:
    axis = Axis("", plain, scale, lowest=values[0], highest=values[-1])  # type: ignore[arg-type]
    [line] = places(svg_of(line_chart([Series("one", [(each, 1.0) for each in values], 1)], axis, Y, "a line")))
    first, second, third = (x for x, _ in line)
    assert second - first == pytest.approx(third - second, abs=0.2)


def test_bands_and_levels_stand_where_their_values_are() -> None:
    series = Series("one", [(0.0, 0.0), (100.0, 8.0)], 1)
    chart = line_chart([series], X, Y, "a line", bands=[Band(25.0, 75.0, "a fault")], levels=[Level(4.0, "wanted")])
    picture = svg_of(chart)
    [line] = places(picture)
    [band] = [each for each in picture.iter("rect") if each.attrib["class"] == "band"]
    width = line[1][0] - line[0][0]
    assert float(band.attrib["x"]) == pytest.approx(line[0][0] + width / 4, abs=0.2)
    assert float(band.attrib["width"]) == pytest.approx(width / 2, abs=0.2)
    [level] = [each for each in picture.iter("line") if each.attrib["class"] == "level"]
    assert float(level.attrib["y1"]) == pytest.approx((line[0][1] + line[1][1]) / 2, abs=0.2)


def test_what_is_drawn_stays_in_the_picture_and_text_is_no_markup() -> None:
    series = [Series("<b>", [(0.0, -5.0), (1.0, 5e9)], 1, dots=True), Series("two", [], 2)]
    markup = line_chart(series, Axis("<i>", plain), Axis("", plain, "log"), "<script>", bands=[Band(-9.0, 99.0, "<u>")])
    assert not re.search(r"<(b|i|u|script)>", markup)
    picture = svg_of(markup)
    _, _, width, height = map(float, picture.attrib["viewBox"].split())
    for x, y in places(picture)[0]:
        assert 0 <= x <= width and 0 <= y <= height


def test_a_spark_shows_little_noise_as_flat_and_a_doubling_as_a_rise() -> None:
    def rise(values: list[float]) -> float:
        [line] = places(svg_of(spark([(float(at), value) for at, value in enumerate(values)], "")))
        return line[0][1] - line[-1][1]

    assert rise([100.0, 101.0, 100.0, 101.0]) < 3
    assert rise([100.0, 130.0, 170.0, 200.0]) > 20
    assert spark([], "") == ""
