"""Ranges of a text hold the same characters after replacement, or the placeholders that stand for them."""

from hypothesis import given
from hypothesis import strategies as st

from coordinator.redaction.found import Found, merged
from coordinator.redaction.placeholders import RedactedText

TEXTS = st.text(alphabet="abcdé ", min_size=1, max_size=40)


@st.composite
def texts_and_found(draw: st.DrawFn) -> tuple[str, list[Found], int, int]:
    text = draw(TEXTS)
    places = st.integers(min_value=0, max_value=len(text))
    found = [
        Found(min(pair), max(pair), draw(st.sampled_from(["EMAIL", "IP"])))
        for pair in draw(st.lists(st.tuples(places, places), max_size=5))
        if pair[0] != pair[1]
    ]
    start, end = sorted((draw(places), draw(places)))
    return text, merged(found), start, end


@given(texts_and_found())
def test_a_range_is_moved_with_its_characters(drawn: tuple[str, list[Found], int, int]) -> None:
    text, found, start, end = drawn
    redacted = RedactedText(text, found)
    # By hand, one character after the other: each stands for itself, or its placeholder.
    at: list[str] = list(text)
    for one in found:
        at[one.start : one.end] = [f"[{one.kind}]", *[""] * (one.end - one.start - 1)]
    assert redacted.text == "".join(at)
    low, high = redacted.moved(start, end)
    assert 0 <= low <= high <= len(redacted.text)
    if start == end:
        assert low == high
        return
    touched = [one for one in found if one.start < end and one.end > start]
    first = min([start, *(one.start for one in touched)])
    last = max([end, *(one.end for one in touched)])
    assert redacted.text[low:high] == "".join(at[first:last])


def test_what_overlaps_is_one() -> None:
    found = [Found(4, 9, "IP"), Found(0, 5, "EMAIL"), Found(0, 3, "KEY"), Found(9, 11, "CARD")]
    assert merged(found) == [Found(0, 9, "EMAIL"), Found(9, 11, "CARD")]
