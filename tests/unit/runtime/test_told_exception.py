import pytest

from index_format.errors import ManifestError
from runtime.told_exception import LEFT_OUT, told


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    try:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException:
            raise error from cause
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    "error", [ValueError("secret"), KeyError("secret"), UnicodeDecodeError("utf-8", b"secret", 0, 1, "x")]
)
def test_the_text_of_a_foreign_exception_is_left_out(error: Exception) -> None:
    text = told(raised(error))
    assert "secret" not in text
    assert type(error).__name__ in text
    assert LEFT_OUT in text
    assert 'test_told_exception.py", line' in text


def test_the_text_of_our_own_and_of_the_system_s_is_there() -> None:
    assert "ManifestError: a: b" in told(raised(ManifestError("a: b")))
    assert "FileNotFoundError: [Errno 2] none: 'x'" in told(raised(FileNotFoundError(2, "none", "x")))


def test_what_led_to_it_is_told_first_without_its_text() -> None:
    text = told(raised(ManifestError("not JSON"), KeyError("secret")))
    assert "secret" not in text
    assert text.index("KeyError") < text.index("ManifestError: not JSON")


def test_groups_and_circles_end() -> None:
    assert told(raised(ExceptionGroup("secret", [ValueError("secret"), OSError(1, "no")]))).count("secret") == 0
    one, two = raised(ValueError("1")), raised(ValueError("2"))
    one.__cause__, two.__cause__ = two, one
    assert told(one).count("ValueError") == 2


def test_no_exception_is_nothing() -> None:
    assert told(None) == ""
