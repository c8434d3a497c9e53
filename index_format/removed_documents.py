"""The list of documents that were removed from an index but are still in its shards.

It stands beside ``index.json``, which names it by checksum, so the two are always of one generation::

    HWREMOVE | version u32 | number of shards u32 | documents removed of each shard u64 | their numbers u64, ascending

All little-endian. Whoever opens the index treats these documents as if they had never been in it; they take their room
until ``headwater index compact`` writes an index without them.
"""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from index_format.errors import ManifestError
from index_format.manifest import IndexManifest, ShardManifest, write_durably

DocumentNumbers: TypeAlias = npt.NDArray[np.uint64]

_HEADER = struct.Struct("<8sII")
_MAGIC = b"HWREMOVE"
_VERSION = 1
_NUMBER = np.dtype("<u8")
# Enough to tell the lists of one index apart; the whole checksum is compared when one is read.
_NAME_DIGITS = 16


def removed_file(sha256: str) -> str:
    """Returns the name of the list with this checksum."""
    return f"removed_{sha256[:_NAME_DIGITS]}.bin"


def load_removed(directory: Path, manifest: IndexManifest, shards: Sequence[ShardManifest]) -> list[DocumentNumbers]:
    """Returns the removed documents of each of ``shards``, all or some of the index: ascending numbers in the shard.

    Raises:
        ManifestError: the list is missing, another one than the manifest names, or does not fit the shards.
    Cost: 8 bytes of memory a removed document.
    """
    if not manifest.removed_sha256:
        return [np.zeros(0, dtype=_NUMBER) for _ in shards]
    path = directory / removed_file(manifest.removed_sha256)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ManifestError(
            f"{path}: not found, the index lists {manifest.removed_documents} removed documents there"
        ) from None
    if (found := hashlib.sha256(content).hexdigest()) != manifest.removed_sha256:
        raise ManifestError(
            f"{path}: content has sha256 {found}, {manifest.removed_sha256} was published; the file has changed"
        )
    of_all = _parse(content, manifest.num_shards, path)
    total = sum(map(len, of_all))
    if total != manifest.removed_documents:
        raise ManifestError(f"{path}: lists {total} documents, the index says {manifest.removed_documents}")
    removed = [of_all[shard.shard] for shard in shards]
    for shard, numbers in zip(shards, removed, strict=True):
        if len(numbers) and (numbers[-1] >= shard.num_documents or np.any(numbers[1:] <= numbers[:-1])):
            raise ManifestError(
                f"{path}: documents of shard {shard.shard} are out of order or not among its {shard.num_documents}"
            )
    return removed


def save_removed(directory: Path, removed: Sequence[DocumentNumbers]) -> str:
    """Writes the list of ``removed``, ascending numbers of each shard, durably; returns its checksum."""
    counts = np.fromiter(map(len, removed), dtype=_NUMBER, count=len(removed))
    parts = [_HEADER.pack(_MAGIC, _VERSION, len(removed)), counts.tobytes()]
    parts += [numbers.astype(_NUMBER).tobytes() for numbers in removed]
    content = b"".join(parts)
    sha256 = hashlib.sha256(content).hexdigest()
    write_durably(directory / removed_file(sha256), content)
    return sha256


def _parse(content: bytes, num_shards: int, path: Path) -> list[DocumentNumbers]:
    if len(content) < _HEADER.size or not content.startswith(_MAGIC):
        raise ManifestError(f"{path}: not a list of removed documents")
    _, version, found_shards = _HEADER.unpack_from(content)
    if version != _VERSION:
        raise ManifestError(f"{path}: version {version}, this build reads {_VERSION}")
    if found_shards != num_shards:
        raise ManifestError(f"{path}: is of {found_shards} shards, the index has {num_shards}")
    numbers = np.frombuffer(content[_HEADER.size : len(content) // 8 * 8], dtype=_NUMBER)
    counts = numbers[:num_shards].astype(np.int64)
    size_bytes = _HEADER.size + 8 * (num_shards + int(counts.sum()))
    if len(content) != size_bytes:
        raise ManifestError(f"{path}: {len(content)} bytes, expected {size_bytes}")
    return np.split(numbers[num_shards:], np.cumsum(counts)[:-1])
