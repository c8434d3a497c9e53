"""Names of the files and folders of an index.

An index directory holds ``index.json``, the tokenizer and one folder a shard::

    index.json  tokenizer.json  shard_00000/  shard_00001/  ...
    shard_00000/: shard.json  tokenized.0  table.0  offset.0  metadata.0  metaoff.0  unigram.0  fanout.0  directory.0

The core files of a shard are those of infini-gram version 4, so that its engine opens every shard folder.
It tells files apart by searching for these words in the *whole path*, which is why `check_path_name` exists.
``fanout.0`` and ``directory.0`` are the sidecars: both are there or neither, and without them searches are slower.
"""

from pathlib import Path

from index_format.errors import PathNameError

INDEX_MANIFEST = "index.json"
SHARD_MANIFEST = "shard.json"
# Beside the manifest, or where it will be, while the index is being built.
BUILD_FILE = "build.json"
TOKENIZER_FILE = "tokenizer.json"

TOKENIZED = "tokenized.0"
TABLE = "table.0"
OFFSET = "offset.0"
METADATA = "metadata.0"
METAOFF = "metaoff.0"
UNIGRAM = "unigram.0"
CORE_FILES = (TOKENIZED, TABLE, OFFSET, METADATA, METAOFF, UNIGRAM)

FAN_OUT = "fanout.0"
DIRECTORY = "directory.0"
SIDECARS = (FAN_OUT, DIRECTORY)

_CLASSIFYING_WORDS = ("tokenized", "table", "offset", "metadata", "metaoff", "unigram")

# infini-gram sorts shard paths as strings; five digits keep that the numeric order up to 100,000 shards.
MAX_SHARDS = 100_000


def shard_folder(shard: int) -> str:
    """Returns the folder name of shard ``shard``, 0 <= shard < `MAX_SHARDS`."""
    return f"shard_{shard:05d}"


def numbered(name: str, number: int) -> str:
    """Returns the name that a file called ``name`` in shard 0 has in another shard of the same folder.

    Our folders hold one shard each, whose number is 0; infini-gram puts several into one.
    """
    return f"{name.removesuffix('0')}{number}"


def check_path_name(directory: Path) -> None:
    """Checks that infini-gram could tell the files of an index in ``directory`` apart.

    Raises:
        PathNameError: a component of the absolute path holds one of the words it classifies by.
    """
    path = str(directory.absolute())
    for word in _CLASSIFYING_WORDS:
        if word in path:
            raise PathNameError(
                f"{path}: the path holds the word {word!r}, by which infini-gram tells the files of an index apart; "
                "choose a directory whose whole path is free of "
                + ", ".join(repr(other) for other in _CLASSIFYING_WORDS)
            )
