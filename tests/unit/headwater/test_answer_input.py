"""The text to trace or count, as it is read from files."""

from pathlib import Path

import pytest

from headwater.answer_input import read_file, read_text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a\n", "a"),
        (b"a\r\n", "a"),
        (b"a", "a"),
        (b"a\n\n", "a\n"),
        (b"a\r\n\r\n", "a\r\n"),
        (b"\n a\nb \n", "\n a\nb "),
        (b"a\r", "a\r"),
        (b"\xef\xbb\xbfa\n", "a"),
        (b"a\xef\xbb\xbf", "a\ufeff"),
        (b"", ""),
        (b"\n", ""),
    ],
)
def test_file_is_read_without_its_byte_order_mark_and_last_line_end(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "text").write_bytes(content)
    assert read_file(tmp_path / "text") == text
    assert read_text(None, tmp_path / "text", "text") == text


def test_argument_is_taken_exactly_as_it_is() -> None:
    assert read_text("\ufeffa\n", None, "text") == "\ufeffa\n"
