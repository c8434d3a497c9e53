"""The page on configuration says what the configuration classes say."""

from headwater.configuration_page import PAGE, page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m headwater.configuration_page"
