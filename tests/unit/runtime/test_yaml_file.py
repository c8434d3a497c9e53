from pathlib import Path

import pytest

from runtime.yaml_file import YamlFileError, parse_yaml, read_yaml, shown


@pytest.mark.parametrize(
    "text",
    [
        "a: 2001-99-99",
        "a: !!int x",
        "a: !!bool maybe",
        "a: !!timestamp never",
        "a: !!float x",
        "a: !!int ''",
        "a: 0x_",
        "a: " + "9" * 5000,
        "[" * 5000,
        "a: !!python/object/apply:os.system [id]",
        "a: \x00",
        "? [",
    ],
)
def test_no_text_makes_reading_raise_anything_else(text: str) -> None:
    with pytest.raises(YamlFileError):
        parse_yaml(text)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_is_not_there_or_not_utf_8_is_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(YamlFileError):
        read_yaml(path)


def test_a_value_that_aliases_make_huge_is_shown_short() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb = parse_yaml("\n".join(levels))
    assert len(shown(bomb)) < 10_000
    assert shown("short") == "'short'"
