"""The real data that tests may use where it is present: `../shared/data` beside the checkout."""

from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def shared_file(name: str) -> Path:
    """Returns the path of a shared file; skips the test, saying so, where it is absent."""
    path = SHARED_DATA / name
    if not path.exists():
        pytest.skip(f"needs the shared data file {name}, which is not on this machine")
    return path


def shared_tokenizer(name: str) -> Path:
    """Returns the path of a published tokenizer; skips the test where it is absent."""
    return shared_file(f"tokenizers/{name}.json")
