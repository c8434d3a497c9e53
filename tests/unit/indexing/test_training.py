import pytest

from indexing.training import train


def test_a_training_that_cannot_start_ends_with_its_error() -> None:
    # The trainer takes no number of more than 64 bits.
    with pytest.raises(OverflowError):
        train(1 << 64, iter(["the cat sat"]))
