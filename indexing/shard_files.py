"""The shards of an index as files to work on: of one of ours, or of a bare folder that infini-gram built."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from index_format.errors import IndexNotFoundError
from index_format.layout import (
    FAN_OUT,
    INDEX_MANIFEST,
    SHARD_MANIFEST,
    SIDECARS,
    TABLE,
    TOKENIZED,
    numbered,
    shard_folder,
)
from index_format.manifest import IndexManifest, ShardManifest
from indexing.errors import PlanError

TOKEN_WIDTHS = (1, 2, 4)
_STEM = TOKENIZED.removesuffix("0")


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """The files of one shard: their folder, the number that ends their names, and its manifest if it has one."""

    folder: Path
    number: int
    token_width: int
    num_tokens: int
    manifest: ShardManifest | None = None

    def path(self, name: str) -> Path:
        """Returns where the file is that shard 0 of a folder calls ``name``."""
        return self.folder / numbered(name, self.number)

    @property
    def sidecars(self) -> list[Path]:
        """Where the sidecars are, or would be."""
        return [self.path(name) for name in SIDECARS]

    @property
    def unfinished(self) -> Path:
        """Where the engine keeps the fan-out until it is whole."""
        return self.folder / f"{numbered(FAN_OUT, self.number)}.partial"

    @property
    def journal(self) -> Path:
        """Where the engine notes how much of the unfinished fan-out a next attempt need not do again."""
        return self.folder / f"{numbered(FAN_OUT, self.number)}.journal"


def find_shards(directory: Path, token_width: int | None, wanted: Collection[int]) -> list[ShardFiles]:
    """Returns the shards of the index in ``directory``, or those numbered in ``wanted``, if any are.

    Shards of a bare folder are numbered in the order in which they are found: by folder, then by number.

    Args:
        directory: An index of ours; or a folder of ``tokenized.0``, ``table.0``, ..., ``tokenized.1``, ... as
            infini-gram writes them; or a folder of such folders.
        token_width: Bytes a token; needed only if a bare folder does not tell.
        wanted: Numbers of shards; empty for all.

    Raises:
        IndexNotFoundError: there is no finished index of either kind.
        ManifestError: the manifests disagree with one another, or with the core files.
        PlanError: ``token_width`` is not that of the index or cannot be told, or there is no shard of a wanted number.
    """
    if (directory / INDEX_MANIFEST).exists():
        shards = _shards_of_ours(directory, token_width)
    else:
        shards = [_bare_shard(folder, number, token_width) for folder, number in _bare_names(directory)]
    if missing := sorted(set(wanted) - set(range(len(shards)))):
        raise PlanError(f"{directory}: asked for shard {missing[0]}, the index has shards 0 to {len(shards) - 1}")
    return [shard for number, shard in enumerate(shards) if number in wanted or not wanted]


def _shards_of_ours(directory: Path, token_width: int | None) -> list[ShardFiles]:
    index = IndexManifest.load(directory)
    if token_width not in (None, index.token_width):
        raise PlanError(f"{directory}: tokens of {token_width} bytes asked for, the index has {index.token_width}")
    return [
        ShardFiles(directory / shard_folder(shard.shard), 0, shard.token_width, shard.num_tokens, shard)
        for shard in index.load_shards(directory, check_sidecars=False)
    ]


def _bare_names(directory: Path) -> list[tuple[Path, int]]:
    """Returns folder and number of every text below ``directory``."""
    if not directory.is_dir():
        raise IndexNotFoundError(f"{directory}: no such directory, expected an index")
    folders = [directory, *sorted(entry for entry in directory.iterdir() if entry.is_dir())]
    numbers = [(folder, sorted(_numbers_in(folder))) for folder in folders]
    found = [(folder, number) for folder, inside in numbers for number in inside]
    if not found:
        raise IndexNotFoundError(
            f"{directory}: neither {INDEX_MANIFEST} nor {TOKENIZED} found, so no index, ours or infini-gram's; "
            "its version 6 leaves the number out of the names: 'headwater index import' takes such folders"
        )
    if any((folder / SHARD_MANIFEST).exists() for folder, _ in found):
        raise IndexNotFoundError(
            f"{directory}: holds {SHARD_MANIFEST} but no {INDEX_MANIFEST}: an unfinished index, or one shard of a "
            "finished one; name the directory of a finished index"
        )
    return found


def _numbers_in(folder: Path) -> list[int]:
    names = (path.name.removeprefix(_STEM) for path in folder.glob(f"{_STEM}*"))
    return [int(number) for number in names if number.isascii() and number.isdecimal()]


def _bare_shard(folder: Path, number: int, token_width: int | None) -> ShardFiles:
    text, table = (folder / numbered(name, number) for name in (TOKENIZED, TABLE))
    width = width_of(text, table, token_width)
    return ShardFiles(folder, number, width, text.stat().st_size // width)


def width_of(text: Path, table: Path, token_width: int | None) -> int:
    """Returns the bytes a token of infini-gram's text and suffix array; ``token_width`` if it fits them.

    Raises:
        IndexNotFoundError: there is no table.
        PlanError: the width cannot be told, or is not ``token_width``.
    """
    if not table.exists():
        raise IndexNotFoundError(f"{table}: not found, {text.name} has no suffix array; infini-gram's indexer makes it")
    sizes = text.stat().st_size, table.stat().st_size
    width = token_width or _told_width(*sizes)
    if width is None:
        raise PlanError(f"{text}: the sizes of text and table do not tell how wide a token is; give --token-width")
    with text.open("rb") as file:
        first = file.read(width)
    if first != b"\xff" * width or sizes[0] % width != 0 or sizes[1] % (sizes[0] // width) != 0:
        raise PlanError(
            f"{text}: {sizes[0]} bytes that begin with 0x{first.hex()}, beside a table of {sizes[1]} bytes, are no "
            f"tokens of {width} bytes; name the width that the index was built with (--token-width)"
        )
    return width


def _told_width(text_bytes: int, table_bytes: int) -> int | None:
    """Returns the width of a token, if the table has entries as wide as infini-gram's indexer makes them."""
    pointer_width = math.ceil(math.log2(max(2, text_bytes)) / 8)
    width, rest = divmod(text_bytes * pointer_width, max(1, table_bytes))
    return width if rest == 0 and width in TOKEN_WIDTHS else None
