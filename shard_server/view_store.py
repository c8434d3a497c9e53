"""Keeps what the views of a shard server know, so that after a restart it need not be found again.

One file a shard beside the list of takedowns. It decides nothing: the list says what is withheld. A file that is
missing, damaged or of other files than those that are served now is not used, and what it leaves out too much or too
little is found. Two lines, the SHA-256 of all that follows (hex) and a JSON object, and then::

    numbers of the documents left out (u64)
    contents looked for: SHA-256 (32 bytes each) | tokens (u64) | how many documents have it (u64) | their numbers (u64)
    what the engine saved of the view
"""

import contextlib
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from index_format.errors import TakedownError
from index_format.layout import OFFSET, TABLE, TOKENIZED
from index_format.manifest import ShardManifest
from index_format.removed_documents import DocumentNumbers
from index_format.takedowns import ContentTarget

_VERSION = 1
_NUMBER = np.dtype("<u8")
_SHA256_BYTES = 32
_LONGEST_HEADER = 4_096
# What positions, ranks and documents are told by.
_FILES = (TOKENIZED, TABLE, OFFSET)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptView:
    """What is known of a shard without some documents.

    Attributes:
        documents: Numbers of the documents, ascending.
        engine: What `ShardIndex.saved_view` gave of it.
        contents: The contents that takedowns name, with the documents that have each.
    """

    documents: DocumentNumbers
    engine: bytes
    contents: Mapping[ContentTarget, DocumentNumbers]


class ViewStore:
    """The views of the shards of one server, in its directory."""

    def __init__(self, directory: Path, index_id: str, shards: Mapping[int, ShardManifest]):
        """Keeps views of ``shards`` of an index in ``directory``, which is there."""
        self._directory = directory
        self._identities = {
            number: {
                "index_id": index_id,
                "shard": number,
                "files": {name: shard.files[name].sha256 for name in _FILES if name in shard.files},
            }
            for number, shard in shards.items()
        }

    def load(self, number: int) -> KeptView | None:
        """Returns the view that was kept of a shard, or None if there is none that can be used.

        Cost: a pass over its file.
        """
        path = self._path(number)
        try:
            return _parse(path.read_bytes(), self._identities[number])
        except FileNotFoundError:
            return None
        except (OSError, TakedownError, ValueError, KeyError, TypeError) as error:
            _log.warning("kept view not used", extra={"path": str(path), "reason": str(error)})
            return None

    def save(self, number: int, view: KeptView) -> None:
        """Keeps the view of a shard in place of the one before; if that fails, none is kept.

        It is not flushed to the disk: what a crash leaves of it has the wrong checksum.
        """
        path = self._path(number)
        beside = path.with_name(path.name + ".tmp")
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for part in _written(view, self._identities[number]):
                    file.write(part)
            beside.replace(path)
        except OSError as error:
            _log.warning("view not kept", extra={"path": str(path), "reason": str(error)})
            for left in (beside, path):
                with contextlib.suppress(OSError):
                    left.unlink()

    def _path(self, number: int) -> Path:
        return self._directory / f"view_{number:05d}.bin"


def _written(view: KeptView, identity: Mapping[str, Any]) -> list[bytes]:
    contents, found = list(view.contents), list(view.contents.values())
    header = {
        "version": _VERSION,
        "of": identity,
        "documents": len(view.documents),
        "contents": len(contents),
        "found": sum(map(len, found)),
    }
    parts = [
        json.dumps(header).encode() + b"\n",
        view.documents.astype(_NUMBER).tobytes(),
        bytes.fromhex("".join(content.sha256 for content in contents)),
        np.array([content.num_tokens for content in contents], dtype=_NUMBER).tobytes(),
        np.array([len(numbers) for numbers in found], dtype=_NUMBER).tobytes(),
        np.concatenate([np.zeros(0, _NUMBER), *found]).astype(_NUMBER).tobytes(),
        view.engine,
    ]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return [digest.hexdigest().encode() + b"\n", *parts]


def _parse(content: bytes, identity: Mapping[str, Any]) -> KeptView:
    sha256, newline, _ = content[: 2 * _SHA256_BYTES + 1].partition(b"\n")
    rest = memoryview(content)[len(sha256) + len(newline) :]
    if not newline or hashlib.sha256(rest).hexdigest().encode() != sha256:
        raise TakedownError("it is damaged")
    line, _, _ = bytes(rest[:_LONGEST_HEADER]).partition(b"\n")
    header = json.loads(line)
    if header["version"] != _VERSION or header["of"] != identity:
        raise TakedownError("it is of other files, or of another version")
    num_documents, num_contents, num_found = (header[name] for name in ("documents", "contents", "found"))
    at = len(line) + 1

    def take(size_bytes: int) -> memoryview:
        nonlocal at
        at += size_bytes
        return rest[at - size_bytes : at]

    def numbers(count: int) -> npt.NDArray[np.uint64]:
        return np.frombuffer(take(count * _NUMBER.itemsize), _NUMBER)

    # Copies, or they would hold all of the file.
    documents = numbers(num_documents).copy()
    digests = take(num_contents * _SHA256_BYTES).hex()
    lengths, counts = numbers(num_contents).tolist(), numbers(num_contents)
    found = np.split(numbers(num_found).copy(), np.cumsum(counts)[:-1].astype(np.int64)) if num_contents else []
    targets = [
        ContentTarget(digests[start : start + 2 * _SHA256_BYTES], length)
        for start, length in zip(range(0, len(digests), 2 * _SHA256_BYTES), lengths, strict=True)
    ]
    return KeptView(documents, bytes(rest[at:]), dict(zip(targets, found, strict=True)))
