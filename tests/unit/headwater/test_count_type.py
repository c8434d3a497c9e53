import click
import pytest

from headwater.count_type import CountType


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("7", 7),
        ("30M", 30_000_000),
        ("500B", 500 * 10**9),
        ("4.6T", 4_600_000_000_000),
        ("4.6t", 4_600_000_000_000),
        ("1,234,567", 1_234_567),
        ("2_000k", 2_000_000),
        ("3 G", 3 * 10**9),
    ],
)
def test_a_number_may_have_a_unit(text: str, number: int) -> None:
    assert CountType().convert(text, None, None) == number


@pytest.mark.parametrize("text", ["", "M", "-3", "1.2.3", "5 GiB", "0", "0.4", "9999999T", "nan"])
def test_what_is_no_number_of_things_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"write (one|a number) like 30M, 500B or 4\.6T"):
        CountType().convert(text, None, None)
