"""Neutralising and shortening text that strangers wrote."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from headwater.plain_text import shorten, visible


def test_every_control_character_but_newline_and_tab_is_replaced() -> None:
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cc", "Zl", "Zp", "Cs") and chr(code) not in "\n\t":
            assert unicodedata.category(visible(chr(code))) == "So", hex(code)


def test_characters_that_reorder_text_are_replaced() -> None:
    for character in "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069":
        assert visible(character) == "\ufffd"


@given(st.text())
def test_length_is_kept_so_that_offsets_stay_true(text: str) -> None:
    assert len(visible(text)) == len(text)


@given(st.text(alphabet="ab é中\n", max_size=40))
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert visible(text) == text


@given(st.text(alphabet="abc \n\t", max_size=60), st.integers(min_value=4, max_value=70))
def test_shortened_text_is_one_line_within_the_width(text: str, width: int) -> None:
    short = shorten(text, width)
    assert len(short) <= width
    assert "\n" not in short
    if len(" ".join(text.split())) <= width:
        assert short == " ".join(text.split())
