"""Writes the golden indexes of the current versions that are missing: ``python -m tests.golden.datagen``.

The bytes are committed and never rewritten: a later version of Headwater must still open them, or refuse them by their
version. A new version of the format, or of the sidecars, gets a new folder beside the old ones.
"""

import random
from pathlib import Path

import indexing
from index_format.manifest import FORMAT_VERSION
from tests.tiny_index import byte_level_tokenizer, write_index

GOLDEN = Path(__file__).resolve().parent
SIDECAR_VERSION = 1
PLAIN = GOLDEN / f"format_{FORMAT_VERSION}"
ACCELERATED = GOLDEN / f"format_{FORMAT_VERSION}_sidecars_{SIDECAR_VERSION}"
SHARDS = (
    ("The river rises in the hills. It runs to the sea.", "Naïve café, 東京 🚀"),
    ("The river rises in the north.\nNobody knows why.", "Short"),
)


def long_text() -> str:
    """Returns a text that fills more than one page of the fan-out, with passages that repeat."""
    chooser = random.Random(1)
    words = [word for text in SHARDS[0] + SHARDS[1] for word in text.split()]
    return " ".join(chooser.choice(words) for _ in range(1000))


# A shard of one page, and one of several.
ACCELERATED_SHARDS = (SHARDS[0], (*SHARDS[1], long_text()))


def main() -> None:
    """Writes the indexes that are missing; refuses to touch one that is there."""
    missing = [directory for directory in (PLAIN, ACCELERATED) if not directory.exists()]
    if not missing:
        raise SystemExit(f"{PLAIN} and {ACCELERATED} exist; golden bytes are never rewritten")
    for directory in missing:
        shards = SHARDS if directory == PLAIN else ACCELERATED_SHARDS
        write_index(directory, shards, byte_level_tokenizer([text for texts in SHARDS for text in texts], 300))
        if directory == ACCELERATED:
            indexing.accelerate(directory)


if __name__ == "__main__":
    main()
