"""What a server holds against what is needed: a difference is found and named."""

import pytest

from coordinator.cluster.held_shard import Mismatch, match
from tests.unit.coordinator.cluster.fake_servers import CORPUS, HELD


def test_a_shard_of_the_index_is_found_among_others() -> None:
    assert match([HELD._replace(number=3), HELD, HELD._replace(number=7)], CORPUS, 0) is HELD


@pytest.mark.parametrize(
    ("field", "value"),
    [("index_id", "other"), ("format_version", 2), ("token_width", 4), ("tokenizer_sha256", "e" * 64)],
)
def test_what_differs_is_named_with_both_values(field: str, value: object) -> None:
    mismatch = match([HELD._replace(**{field: value})], CORPUS, 0)  # type: ignore[arg-type]
    expected = getattr(CORPUS.index, field)
    assert mismatch == Mismatch(field, str(value), str(expected))
    assert str(mismatch) == f"found {field} {value}, expected {expected}"


def test_of_several_differences_the_one_that_explains_the_others_is_named() -> None:
    mismatch = match([HELD._replace(index_id="other", tokenizer_sha256="e" * 64)], CORPUS, 0)
    assert isinstance(mismatch, Mismatch)
    assert mismatch.field == "tokenizer_sha256"


def test_a_server_of_two_indexes_is_taken_for_the_one_that_is_meant() -> None:
    assert match([HELD._replace(index_id="other"), HELD], CORPUS, 0) is HELD


@pytest.mark.parametrize(("numbers", "found"), [((1, 2), "1, 2"), ((), "none")])
def test_a_shard_that_is_not_there_is_named_with_those_that_are(numbers: tuple[int, ...], found: str) -> None:
    held = [HELD._replace(number=number) for number in numbers]
    assert str(match(held, CORPUS, 0)) == f"found shards {found}, expected 0"
