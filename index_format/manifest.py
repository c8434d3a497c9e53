"""`index.json` and `shard.json`: what an index holds, how large each file is, and with what it was built.

The manifest of an index is renamed in last, so a directory with one holds a finished index. Manifests are small
(about 2 kB a shard), so opening reads them whole; checksums are compared by ``headwater index verify`` only.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from index_format.errors import IndexNotFoundError, ManifestError
from index_format.layout import BUILD_FILE, INDEX_MANIFEST, SHARD_MANIFEST, SIDECARS, shard_folder

FORMAT_VERSION = 1
_TOKEN_WIDTHS = (1, 2, 4)
# It is part of a file's name; empty where there is no list.
_LIST_CHECKSUM = re.compile("([0-9a-f]{64})?")
# Bytes; more than that, no file system takes.
_LONGEST_NAME = 255
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a shard as it was published."""

    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ShardManifest:
    """What one shard holds. ``num_tokens`` counts positions: every token and one separator a document.

    Sidecars, which can be added to a published shard at any time, are listed in ``files`` once they are there.
    """

    format_version: int
    shard: int
    token_width: int
    num_tokens: int
    num_documents: int
    tokenizer_sha256: str
    files: Mapping[str, FileEntry]

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Returns the manifest in a shard folder.

        Raises:
            IndexNotFoundError: the folder has none.
            ManifestError: it is not JSON, misses a field, or has another format version or token width.
        """
        path = directory / SHARD_MANIFEST
        return cls.parse(_read(path), path)

    @classmethod
    def parse(cls, content: bytes, path: Path | str) -> Self:
        """Returns the manifest that ``content`` is; ``path`` is what errors call it.

        Raises:
            ManifestError: as `load`.
        """
        raw = _parse_json(content, path)
        entries = raw.get("files")
        if not isinstance(entries, dict):
            raise ManifestError(f"{path}: field 'files' is missing or not an object")
        for name in entries:
            _check_name(name, path)
        raw["files"] = {name: _record(FileEntry, entry, path) for name, entry in entries.items()}
        manifest = _record(cls, raw, path)
        _check_versions(manifest.format_version, manifest.token_width, path)
        return manifest

    def save(self, directory: Path) -> None:
        """Writes the manifest into a shard folder, durably."""
        write_durably(directory / SHARD_MANIFEST, self.to_json())

    def to_json(self) -> bytes:
        """Returns the content of the file."""
        return _to_json(self)

    @property
    def is_accelerated(self) -> bool:
        """Whether the sidecars are listed."""
        return all(name in self.files for name in SIDECARS)

    def with_sidecars(self, entries: Mapping[str, FileEntry]) -> Self:
        """Returns this manifest with these sidecars in place of those it lists, if any."""
        return replace(self, files={**self.without_sidecars().files, **entries})

    def without_sidecars(self) -> Self:
        """Returns the manifest of the core files alone: what the shard holds, however it is searched."""
        return replace(self, files={name: entry for name, entry in self.files.items() if name not in SIDECARS})

    def check_files(self, directory: Path) -> None:
        """Checks that every file is there with its published size. Reads no content.

        Raises:
            ManifestError: a file is missing or has another size.
        """
        for name, entry in self.files.items():
            path = directory / name
            advice = f"; {rebuild_advice(self.shard)}" if name in SIDECARS else ""
            try:
                found = path.stat().st_size
            except FileNotFoundError:
                raise ManifestError(
                    f"{path}: file is missing, {entry.size_bytes} bytes were published{advice}"
                ) from None
            if found != entry.size_bytes:
                raise ManifestError(f"{path}: file has {found} bytes, {entry.size_bytes} were published{advice}")


@dataclass(frozen=True, slots=True)
class IndexManifest:
    """What an index holds: its shards in order, its tokenizer, and where the documents came from.

    ``tokenizer`` is ``"tokenizer.json"`` (the file beside the manifest) or ``"bytes"``. ``index_id`` changes whenever
    any published byte of a shard's core files does; sidecars leave it as it is.

    The last four fields are absent from the file while they have their defaults, as in every index that was built at
    once. ``generation`` counts the changes since. ``removed_documents`` are marked in the list of which
    ``removed_sha256`` is the checksum (`removed_documents.py`); searches still find them. ``dealing`` are the sizes of
    the groups of shards that one corpus was dealt out to in turn, first group first: document i of a group of n shards,
    in reading order, is document i // n of its shard i % n. Empty: all shards are one group.
    """

    format_version: int
    index_id: str
    token_width: int
    num_shards: int
    num_tokens: int
    num_documents: int
    tokenizer: str
    tokenizer_sha256: str
    vocab_size: int
    stage: str
    source: str
    built_by: str
    generation: int = 0
    removed_documents: int = 0
    removed_sha256: str = ""
    dealing: tuple[int, ...] = ()

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Returns the manifest of a finished index.

        Raises:
            IndexNotFoundError: the directory holds no ``index.json``.
            ManifestError: it is not JSON, misses a field, or has another format version or token width.
        """
        path = directory / INDEX_MANIFEST
        return cls.parse(_read(path), path)

    @classmethod
    def parse(cls, content: bytes, path: Path | str) -> Self:
        """Returns the manifest that ``content`` is; ``path`` is what errors call it.

        Raises:
            ManifestError: as `load`.
        """
        manifest = _record(cls, _parse_json(content, path), path)
        _check_versions(manifest.format_version, manifest.token_width, path)
        _check_name(manifest.tokenizer, path)
        if _LIST_CHECKSUM.fullmatch(manifest.removed_sha256) is None:
            raise ManifestError(
                f"{path}: field 'removed_sha256' is {manifest.removed_sha256!r}, expected 64 hexadecimal digits"
            )
        if manifest.dealing and sum(manifest.dealing) != manifest.num_shards:
            raise ManifestError(
                f"{path}: field 'dealing' speaks of {sum(manifest.dealing)} shards, the index has {manifest.num_shards}"
            )
        return manifest

    def save(self, directory: Path) -> None:
        """Publishes the index: writes the manifest beside its place, flushes it and renames it in."""
        write_durably(directory / INDEX_MANIFEST, self.to_json())

    def to_json(self) -> bytes:
        """Returns the content of the file."""
        return _to_json(self)

    def load_shards(self, directory: Path, *, check_sidecars: bool = True) -> list[ShardManifest]:
        """Returns the manifests of all shards, in order, after checking them against this one and their files.

        Without ``check_sidecars`` the sizes of core files only are checked, for who builds sidecars.

        Raises:
            ManifestError: a shard is of another tokenizer, width or number, or its files have other sizes.
        """
        shards = [
            self.load_shard(directory, number, check_sidecars=check_sidecars) for number in range(self.num_shards)
        ]
        totals = (sum(s.num_tokens for s in shards), sum(s.num_documents for s in shards))
        if totals != (self.num_tokens, self.num_documents):
            raise ManifestError(
                f"{directory}: shards hold {totals[0]} tokens in {totals[1]} documents, "
                f"the index says {self.num_tokens} in {self.num_documents}"
            )
        return shards

    def load_shard(self, directory: Path, number: int, *, check_sidecars: bool = True) -> ShardManifest:
        """Returns the manifest of one shard, after checking it against this one and its files, as `load_shards` does.

        Raises:
            ManifestError: the shard is missing, of another tokenizer, width or number, or its files have other sizes.
        """
        folder = directory / shard_folder(number)
        try:
            shard = ShardManifest.load(folder)
        except IndexNotFoundError as error:
            raise ManifestError(
                f"{folder}: shard {number} of {self.num_shards} is missing or unfinished ({error})"
            ) from error
        for field in ("token_width", "tokenizer_sha256"):
            found, wanted = getattr(shard, field), getattr(self, field)
            if found != wanted:
                raise ManifestError(f"{folder}: shard has {field} {found}, the index has {wanted}")
        if shard.shard != number:
            raise ManifestError(f"{folder}: manifest is of shard {shard.shard}, expected {number}")
        (shard if check_sidecars else shard.without_sidecars()).check_files(folder)
        return shard


def index_id_of(shards: list[ShardManifest]) -> str:
    """Returns 16 hexadecimal digits that identify what ``shards`` hold, with sidecars or without."""
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(shard.without_sidecars().to_json())
    return digest.hexdigest()[:16]


def rebuild_advice(shard: int) -> str:
    """Returns what to do about a damaged sidecar of a shard."""
    return f"build it again with 'headwater index accelerate DIR --shard {shard} --force'"


def write_durably(path: Path, content: bytes) -> None:
    """Writes ``content`` to ``path`` atomically: a reader sees the old file or the new one, also after a power cut."""
    beside = path.with_name(path.name + ".tmp")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    flush_directory(path.parent)


def flush_directory(directory: Path) -> None:
    """Flushes the entries of a directory to disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _to_json(manifest: ShardManifest | IndexManifest) -> bytes:
    defaults = {field.name: field.default for field in fields(manifest)}
    written = {name: value for name, value in asdict(manifest).items() if value != defaults[name]}
    return (json.dumps(written, indent=2) + "\n").encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        if path.name == INDEX_MANIFEST and (path.parent / BUILD_FILE).exists():
            raise IndexNotFoundError(
                f"{path.parent}: an unfinished build; run the same command again to continue it"
            ) from None
        raise IndexNotFoundError(
            f"{path}: not found; a finished index has this file, build one with 'headwater index build'"
        ) from None


def _parse_json(content: bytes, path: Path | str) -> dict[str, Any]:
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: not valid JSON ({error})") from error
    if not isinstance(raw, dict):
        raise ManifestError(f"{path}: expected a JSON object, found {type(raw).__name__}")
    return raw


def _record(cls: type[_T], raw: Any, path: Path | str) -> _T:
    """Returns the dataclass ``cls`` built from a JSON object, each field of its declared type.

    Fields without a default are present.
    """
    if not isinstance(raw, dict):
        raise ManifestError(f"{path}: expected a JSON object, found {type(raw).__name__}")
    wanted = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(raw.keys() - wanted.keys()):
        raise ManifestError(f"{path}: unknown field {unknown[0]!r}; was it written by a newer version?")
    values = {}
    for name, field in wanted.items():
        if name in raw:
            values[name] = _value(raw[name], field.type, name, path)
        elif field.default is MISSING:
            raise ManifestError(f"{path}: field {name!r} is missing")
    return cls(**values)


def _value(value: Any, kind: object, name: str, path: Path | str) -> Any:
    if kind is int and (type(value) is not int or value < 0):
        raise ManifestError(f"{path}: field {name!r} is {value!r}, expected a whole number >= 0")
    if kind is str and not isinstance(value, str):
        raise ManifestError(f"{path}: field {name!r} is {value!r}, expected a string")
    if kind == tuple[int, ...]:
        if not isinstance(value, list) or any(type(number) is not int or number < 1 for number in value):
            raise ManifestError(f"{path}: field {name!r} is {value!r}, expected a list of whole numbers >= 1")
        return tuple(value)
    return value


def _check_name(name: str, path: Path | str) -> None:
    """Checks that what a manifest calls a file leads nowhere else, and can be one."""
    if name in ("", "..") or Path(name).name != name:
        raise ManifestError(f"{path}: speaks of a file {name[:_LONGEST_NAME]!r}, expected a name without folders")
    if "\0" in name or len(name.encode(errors="replace")) > _LONGEST_NAME or not _is_unicode(name):
        raise ManifestError(f"{path}: speaks of a file {name[:_LONGEST_NAME]!r}, which is no name of a file")


def _is_unicode(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_versions(format_version: int, token_width: int, path: Path | str) -> None:
    if format_version != FORMAT_VERSION:
        raise ManifestError(f"{path}: format version {format_version}, this build reads {FORMAT_VERSION}")
    if token_width not in _TOKEN_WIDTHS:
        raise ManifestError(f"{path}: token width {token_width}, expected one of {_TOKEN_WIDTHS}")
