import re

import pytest

from headwater.page_assets import asset, style_of


@pytest.mark.parametrize("page", ["page.css", "statistics.css"])
def test_colours_are_those_of_the_palette_and_every_one_is_defined(page: str) -> None:
    assert not re.search(r"--[a-z-]+\s*:", asset(page)), "colours and fonts are for palette.css"
    used = set(re.findall(r"var\((--[a-z-]+)\)", asset(page)))
    defined = set(re.findall(r"(--[a-z-]+)\s*:", style_of(page)))
    assert used
    assert used <= defined


def test_every_colour_has_a_value_for_the_dark() -> None:
    light, dark = asset("palette.css").split("@media (prefers-color-scheme: dark)")
    colours = set(re.findall(r"(--[a-z-]+): #", light))
    assert len(colours) > 5
    assert set(re.findall(r"(--[a-z-]+): #", dark)) == colours
