"""Brings files into the page cache before something that is to be measured warm."""

from pathlib import Path

_CHUNK_BYTES = 1 << 24


def read_through(path: Path) -> None:
    """Reads a file to its end."""
    with path.open("rb") as file:
        while file.read(_CHUNK_BYTES):
            pass
