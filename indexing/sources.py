"""Which files a corpus is made of, in which order, and what each one is."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from indexing.errors import SourceError


class SourceKind(Enum):
    """How documents lie in a file."""

    JSON_LINES = "JSON lines"
    PARQUET = "Parquet"
    TEXT = "plain text"


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
}
KNOWN_TYPES = ", ".join(_KINDS) + "; all but .parquet also with .gz or .zst behind"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the corpus. ``name`` is what the index calls it: its path below the corpus, with ``/``."""

    path: Path
    name: str
    kind: SourceKind
    packing: Packing
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SplitFile:
    """A part of a source file: all of it, or a range that starts and ends between documents.

    Attributes:
        file: The file.
        start: First byte of a JSON-lines file that is not packed, first row group of a Parquet file; else 0.
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


def find_corpus(sources: Sequence[Path], note: Callable[[str], None] = lambda _: None) -> Corpus:
    """Returns the files of ``sources``: in the order given, those of a folder (and of the folders in it) by path.

    In a folder, links are followed, hidden files are passed over, and so are files of an unknown type, which ``note``
    is told.

    Raises:
        SourceError: a source does not exist or cannot be read, is of an unknown type, holds no file of a known
            type, has a name that is not UTF-8, or comes twice; or a link leads to a folder a second time.
    """
    root = _root_of(sources)
    files: list[SourceFile] = []
    ignored: list[Path] = []
    for source in sources:
        if source.is_dir():
            found, unknown = _files_of_folder(source, root)
            if not found:
                types = Counter(path.suffix or path.name for path in unknown).most_common(5)
                raise SourceError(
                    f"{source}: no documents in this folder, found "
                    f"{', '.join(name for name, _ in types) or 'no files'}; expected files ending in {KNOWN_TYPES}"
                )
            files += found
            ignored += unknown
        elif (file := _source_file(source, root)) is None:
            raise SourceError(f"{source}: unknown file type, expected a name ending in {KNOWN_TYPES}")
        else:
            files.append(file)
    _check_distinct(files)
    if ignored:
        more = f" and {len(ignored) - 1} more" if len(ignored) > 1 else ""
        note(f"passed over {ignored[0]}{more}: of no type that holds documents")
    return Corpus(tuple(files))


def _root_of(sources: Sequence[Path]) -> Path:
    """Returns the folder that names of files are relative to: the one given, or what all sources have in common."""
    for source in sources:
        if not source.exists():
            raise SourceError(f"{source}: no such file or folder")
    folders = [source.absolute() if source.is_dir() else source.absolute().parent for source in sources]
    return Path(os.path.commonpath(folders))


def _files_of_folder(folder: Path, root: Path) -> tuple[list[SourceFile], list[Path]]:
    found: list[SourceFile] = []
    unknown: list[Path] = []
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


def _source_file(path: Path, root: Path) -> SourceFile | None:
    """Returns what the file is by its name, or None if it is of no known type."""
    name = path.name.lower()
    packing = next((p for p in (Packing.GZIP, Packing.ZSTANDARD) if name.endswith(p.value)), Packing.NONE)
    kind = _KINDS.get(Path(name.removesuffix(packing.value)).suffix)
    if kind is None or (kind is SourceKind.PARQUET and packing is not Packing.NONE):
        return None
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise SourceError(f"{path}: cannot read the file ({error.strerror})") from error
    source_name = path.absolute().relative_to(root).as_posix()
    if not is_unicode(source_name):
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise SourceError(
            f"{shown}: the name of the file is not UTF-8; rename it, the index keeps it with each document"
        )
    return SourceFile(path, source_name, kind, packing, size_bytes)


def is_unicode(text: str) -> bool:
    """Says whether a name from the operating system was UTF-8: bytes that are not come as halves of surrogate pairs."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_distinct(files: Sequence[SourceFile]) -> None:
    seen: set[Path] = set()
    for file in files:
        resolved = file.path.resolve()
        if resolved in seen:
            raise SourceError(f"{file.path}: the file is given twice, its documents would be counted twice")
        seen.add(resolved)
