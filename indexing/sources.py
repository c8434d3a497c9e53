"""Which files a corpus is made of, in which order, and what each one is."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from indexing.errors import SourceError
from indexing.remote_path import Place, RemotePath, place_of
from indexing.remote_sources import RemoteSource, find_remote


class SourceKind(Enum):
    """How documents lie in a file."""

    JSON_LINES = "JSON lines"
    PARQUET = "Parquet"
    TEXT = "plain text"
    ID_ARRAY = "an array of token ids"


class Packing(Enum):
    """How a file is compressed, by the last suffix of its name."""

    NONE = ""
    GZIP = ".gz"
    ZSTANDARD = ".zst"


_KINDS = {
    ".jsonl": SourceKind.JSON_LINES,
    ".ndjson": SourceKind.JSON_LINES,
    ".json": SourceKind.JSON_LINES,  # c4 and Dolma name their JSON lines so
    ".parquet": SourceKind.PARQUET,
    ".txt": SourceKind.TEXT,
    ".text": SourceKind.TEXT,
    ".md": SourceKind.TEXT,
    ".rst": SourceKind.TEXT,
    ".npy": SourceKind.ID_ARRAY,
}
_NEVER_PACKED = (SourceKind.PARQUET, SourceKind.ID_ARRAY)
KNOWN_TYPES = ", ".join(_KINDS) + "; all but .parquet and .npy also with .gz or .zst behind"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the corpus.

    ``name`` is what the index calls it: its path below the corpus, with ``/``. ``mark`` changes when the file does: the
    time of its last change, or what storage has for that.
    """

    path: Place
    name: str
    kind: SourceKind
    packing: Packing
    size_bytes: int
    mark: str = ""


@dataclass(frozen=True, slots=True)
class SplitFile:
    """A part of a source file: all of it, or a range that starts and ends between documents.

    Attributes:
        file: The file.
        start: First byte of a JSON-lines file, unpacked; first row group of a Parquet file; else 0.
        end: Where the range ends, in the same unit; None at the end of the file.
        first_record: Line or row, counted from 0, with which the part begins.
        size_bytes: Bytes on disk of the part, about that of a Parquet file.
    """

    file: SourceFile
    start: int
    end: int | None
    first_record: int
    size_bytes: int

    @classmethod
    def whole(cls, file: SourceFile) -> "SplitFile":
        """Returns all of a file as one part."""
        return cls(file, 0, None, 0, file.size_bytes)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The files of a corpus in reading order."""

    files: tuple[SourceFile, ...]

    @property
    def size_bytes(self) -> int:
        """Bytes on disk of all files together."""
        return sum(file.size_bytes for file in self.files)


def find_corpus(sources: Sequence[Place | str], note: Callable[[str], None] = lambda _: None) -> Corpus:
    """Returns the files of ``sources``: in the order given, those of a folder (and of the folders in it) by path.

    Sources are paths, or URLs of files and folders on storage. In a folder, links are followed, hidden files are passed
    over, and so are files of an unknown type, which ``note`` is told.

    Raises:
        SourceError: a source does not exist or cannot be read, is of an unknown type, holds no file of a known
            type, has a name that is not UTF-8, or comes twice; or a link leads to a folder a second time.
        StorageError: a URL cannot be listed.
    """
    places = [place_of(source) for source in sources]
    root = _root_of([place for place in places if isinstance(place, Path)])
    remote = find_remote([place for place in places if isinstance(place, RemotePath)])
    files: list[SourceFile] = []
    ignored: list[Place] = []
    for source in places:
        if isinstance(source, RemotePath):
            found, unknown = _files_of_listing(remote[source])
        elif source.is_dir():
            found, unknown = _files_of_folder(source, root)
        else:
            file = _source_file(source, root)
            found, unknown = ([], [source]) if file is None else ([file], [])
        if not found and unknown == [source]:
            raise SourceError(f"{source}: unknown file type, expected a name ending in {KNOWN_TYPES}")
        if not found:
            types = Counter(_suffix(path) or path.name for path in unknown).most_common(5)
            raise SourceError(
                f"{source}: no documents in this folder, found "
                f"{', '.join(name for name, _ in types) or 'no files'}; expected files ending in {KNOWN_TYPES}"
            )
        files += found
        ignored += unknown
    _check_distinct(files)
    if ignored:
        more = f" and {len(ignored) - 1} more" if len(ignored) > 1 else ""
        note(f"passed over {ignored[0]}{more}: of no type that holds documents")
    return Corpus(tuple(files))


def _root_of(sources: Sequence[Path]) -> Path:
    """Returns the folder that names of files are relative to: the one given, or what all sources have in common."""
    if not sources:
        return Path("/")
    for source in sources:
        if not source.exists():
            raise SourceError(f"{source}: no such file or folder")
    folders = [source.absolute() if source.is_dir() else source.absolute().parent for source in sources]
    return Path(os.path.commonpath(folders))


def _files_of_listing(listed: Sequence[RemoteSource]) -> tuple[list[SourceFile], list[Place]]:
    found: list[SourceFile] = []
    unknown: list[Place] = []
    for entry in listed:
        if (types := _types_of(entry.path.name)) is None:
            unknown.append(replace(entry.path, size_bytes=None))
        else:
            assert entry.path.size_bytes is not None, "a listing has sizes"
            found.append(SourceFile(entry.path, entry.name, *types, entry.path.size_bytes, entry.mark))
    return found, unknown


def _files_of_folder(folder: Path, root: Path) -> tuple[list[SourceFile], list[Place]]:
    found: list[SourceFile] = []
    unknown: list[Place] = []
    for path in sorted(_walk(folder)):
        file = _source_file(path, root)
        if file is None:
            unknown.append(path)
        else:
            found.append(file)
    return found, unknown


def _walk(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise SourceError(f"{error.filename}: cannot read the folder ({error.strerror})") from error

    seen: set[tuple[int, int]] = set()
    for directory, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        status = Path(directory).stat()
        if (identity := (status.st_dev, status.st_ino)) in seen:
            raise SourceError(
                f"{directory}: a link leads to this folder a second time, its documents would be counted twice; "
                "remove the link"
            )
        seen.add(identity)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(directory, name) for name in names if not name.startswith("."))


def _types_of(name: str) -> tuple[SourceKind, Packing] | None:
    """Returns what a file is by its name, or None if it is of no known type."""
    name = name.lower()
    packing = next((p for p in (Packing.GZIP, Packing.ZSTANDARD) if name.endswith(p.value)), Packing.NONE)
    kind = _KINDS.get(_suffix(Path(name.removesuffix(packing.value))))
    if kind is None or (kind in _NEVER_PACKED and packing is not Packing.NONE):
        return None
    return kind, packing


def _suffix(path: Place) -> str:
    return Path(path.name).suffix


def _source_file(path: Path, root: Path) -> SourceFile | None:
    """Returns what the file is by its name, or None if it is of no known type."""
    if (types := _types_of(path.name)) is None:
        return None
    try:
        status = path.stat()
    except OSError as error:
        raise SourceError(f"{path}: cannot read the file ({error.strerror})") from error
    source_name = path.absolute().relative_to(root).as_posix()
    if not is_unicode(source_name):
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise SourceError(
            f"{shown}: the name of the file is not UTF-8; rename it, the index keeps it with each document"
        )
    return SourceFile(path, source_name, *types, status.st_size, str(status.st_mtime_ns))


def is_unicode(text: str) -> bool:
    """Says whether a name from the operating system was UTF-8: bytes that are not come as halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_distinct(files: Sequence[SourceFile]) -> None:
    seen: set[Place] = set()
    for file in files:
        resolved = file.path.resolve() if isinstance(file.path, Path) else file.path
        if resolved in seen:
            raise SourceError(f"{file.path}: the file is given twice, its documents would be counted twice")
        seen.add(resolved)
