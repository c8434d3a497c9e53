"""The styles and scripts that pages are written with; they go into the pages, which need nothing else."""

from importlib import resources


def asset(name: str) -> str:
    """Returns a file of `headwater.report`."""
    return resources.files("headwater.report").joinpath(name).read_text(encoding="utf-8")


def style_of(name: str) -> str:
    """Returns a page's own style, and before it the colours and fonts that all pages share."""
    return asset("palette.css") + asset(name)
