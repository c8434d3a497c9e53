"""Compares the files of an index with the checksums that were published with them.

A block that was not in the page cache leaves it again once it is read, so that reading an index of terabytes does not
throw out the pages that searches live on. (Pages that the engine has mapped stay, whatever is read round them.)
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from index_format.layout import SIDECARS, TOKENIZER_FILE, shard_folder
from index_format.manifest import IndexManifest, ShardManifest, rebuild_advice
from shard_server.errors import DamagedFileError

_BLOCK_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file, and what it must hold; ``shard`` is None for the tokenizer."""

    path: Path
    sha256: str
    shard: int | None


def published_files(directory: Path, index: IndexManifest, shards: Iterable[int]) -> Iterator[PublishedFile]:
    """Yields the tokenizer's file, if there is one, and every file of ``shards``, as the manifests on disk list them.

    Raises:
        IndexFormatError: a manifest is missing or not what the index says.
    """
    if index.tokenizer == TOKENIZER_FILE:
        yield PublishedFile(directory / TOKENIZER_FILE, index.tokenizer_sha256, None)
    for number in shards:
        folder = directory / shard_folder(number)
        for name, entry in index.load_shard(directory, number).files.items():
            yield PublishedFile(folder / name, entry.sha256, number)


def check_files(files: Iterable[PublishedFile], num_threads: int) -> None:
    """Reads all files, several at a time.

    Raises:
        DamagedFileError: one cannot be read, or holds something else than was published; names it.
    """
    with ThreadPoolExecutor(num_threads, thread_name_prefix="checksums") as pool:
        try:
            for damage in pool.map(_refusal_of, files):
                if damage is not None:
                    raise DamagedFileError(damage)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def damage_of(file: PublishedFile, pause: Callable[[int], None] = lambda _: None) -> str | None:
    """Returns what is wrong with a file, or None.

    Args:
        file: The file.
        pause: Called after each block with its size; may wait, or raise to give up.

    Raises:
        OSError: it cannot be read, which says nothing of what it holds.
    """
    try:
        found = _sha256_of(file.path, pause)
    except FileNotFoundError:
        if _is_published(file, None):
            return None
        raise
    if found == file.sha256 or _is_published(file, found):
        return None
    advice = "copy it again from where it was built, or from another replica"
    if file.shard is not None and file.path.name in SIDECARS:
        advice = rebuild_advice(file.shard)
    return f"{file.path}: content has sha256 {found}, {file.sha256} was published; {advice}"


def _refusal_of(file: PublishedFile) -> str | None:
    """Returns why a file cannot be served, or None."""
    try:
        return damage_of(file)
    except OSError as error:
        return f"{file.path}: cannot be read ({error.strerror})"


def _is_published(file: PublishedFile, found: str | None) -> bool:
    """Returns whether the manifest on disk agrees: sidecars may be built again, or taken away, while served."""
    if file.path.name not in SIDECARS:
        return False
    entry = ShardManifest.load(file.path.parent).files.get(file.path.name)
    return entry is None or entry.sha256 == found


def _sha256_of(path: Path, pause: Callable[[int], None]) -> str:
    digest = hashlib.sha256()
    block = bytearray(_BLOCK_BYTES)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Without it the kernel reads ahead, and what it read would look as if searches had asked for it.
        _advise(descriptor, 0, 0, "POSIX_FADV_RANDOM")
        offset = 0
        while num_bytes := _read(descriptor, block, offset):
            digest.update(memoryview(block)[:num_bytes])
            offset += num_bytes
            pause(num_bytes)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def _read(descriptor: int, block: bytearray, offset: int) -> int:
    """Reads a block; leaves the page cache as it was."""
    if (flag := getattr(os, "RWF_NOWAIT", 0)) != 0:
        with contextlib.suppress(OSError):  # not in the cache, or a file system that cannot tell
            if num_bytes := os.preadv(descriptor, [block], offset, flag):
                return num_bytes
    num_bytes = os.preadv(descriptor, [block], offset)
    _advise(descriptor, offset, num_bytes, "POSIX_FADV_DONTNEED")
    return num_bytes


def _advise(descriptor: int, offset: int, length: int, advice: str) -> None:
    if hasattr(os, advice):
        os.posix_fadvise(descriptor, offset, length, getattr(os, advice))
