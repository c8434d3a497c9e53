"""Writes the golden index of the current format version: ``python -m tests.golden.datagen``.

The bytes are committed and never rewritten: a later version of Headwater must still open them, or refuse them by their
version. A new format version gets a new folder beside the old ones.
"""

from pathlib import Path

from index_format.manifest import FORMAT_VERSION
from tests.tiny_index import byte_level_tokenizer, write_index

GOLDEN = Path(__file__).resolve().parent
SHARDS = (
    ("The river rises in the hills. It runs to the sea.", "Naïve café, 東京 🚀"),
    ("The river rises in the north.\nNobody knows why.", "Short"),
)


def main() -> None:
    """Writes the index; refuses to touch one that is there."""
    directory = GOLDEN / f"format_{FORMAT_VERSION}"
    if directory.exists():
        raise SystemExit(f"{directory} exists; golden bytes are never rewritten")
    write_index(directory, SHARDS, byte_level_tokenizer([text for texts in SHARDS for text in texts], 300))


if __name__ == "__main__":
    main()
