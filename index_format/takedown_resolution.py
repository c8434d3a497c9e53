"""Finds the documents of a shard that takedowns concern, from its files."""

import hashlib
import json
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from index_format.document_fields import metadata_fields, sources_of, urls_of
from index_format.document_urls import host_of, normal_url
from index_format.errors import ManifestError
from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED
from index_format.manifest import ShardManifest
from index_format.removed_documents import DocumentNumbers
from index_format.takedowns import (
    ContentTarget,
    DocumentTarget,
    DomainTarget,
    SourceTarget,
    Target,
    UrlTarget,
)

# Little enough to be looked through in about a millisecond: `pause` is called between two.
_BLOCK_BYTES = 64 * 1024
_BLOCK_DOCUMENTS = 1 << 18
_NUMBER = np.dtype("<u8")
_TOKEN_TYPES = {1: "u1", 2: "<u2", 4: "<u4"}

# Within one line: a value that is not ended there ends in no other.
_FIELD = re.compile(rb'"(?:url|source|path)"[ \t\r]*+:[ \t\r]*+"((?:[^"\\\n]++|\\[^\n])*+)"')
# A name or value in which plain letters are escaped: such a line is looked at in full.
_ESCAPED_ASCII = re.compile(rb"\\u00[2-7]")
_ESCAPED_LETTER = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")


class TakedownFinder:
    """Finds documents of one shard. Remembers what it found for the targets of its last call. For one thread."""

    def __init__(
        self, folder: Path, index_id: str, manifest: ShardManifest, pause: Callable[[], object] = lambda: None
    ):
        """Reads the shard in ``folder``, of index ``index_id``; ``pause`` is called after each millisecond or so."""
        self._folder = folder
        self._index_id = index_id
        self._manifest = manifest
        self.pause = pause
        self._found: dict[Target, DocumentNumbers] = {}
        self._contents: dict[ContentTarget, DocumentNumbers] = {}

    @property
    def contents(self) -> Mapping[ContentTarget, DocumentNumbers]:
        """The contents that the targets of the last call named, with the documents that have each."""
        return self._contents

    def remember(self, contents: Mapping[ContentTarget, DocumentNumbers]) -> None:
        """Takes it that these documents, and no others, have these contents: so a finder of the same shard said."""
        self._contents.update(contents)

    def documents(self, targets: Iterable[Target]) -> DocumentNumbers:
        """Returns the numbers of the documents that any of ``targets`` concerns, ascending.

        Raises:
            ManifestError: a file is not of its published size.
            OSError: a file cannot be read.
        Cost: new urls, domains and sources read all metadata once, together; new contents all document starts, and the
            documents that are as long.
        """
        wanted = dict.fromkeys(targets)
        new = [target for target in wanted if target not in self._found]
        found = {target: numbers for target, numbers in self._found.items() if target in wanted}
        found.update(self._find(new))
        self._found = found
        named = {content for target in wanted if (content := self._content_of(target)) is not None}
        self._contents = {content: numbers for content, numbers in self._contents.items() if content in named}
        return np.unique(np.concatenate([np.zeros(0, _NUMBER), *found.values()]))

    def token_ids(self, number: int) -> npt.NDArray[np.unsignedinteger]:
        """Returns the tokens of a document.

        Raises:
            ManifestError, OSError: as `documents`.
        """
        with (self._folder / TOKENIZED).open("rb", buffering=0) as text:
            _, starts = next(self._starts(number, number + 1))
            return self._token_ids(text, int(starts[0]), int(starts[1]))

    def _find(self, targets: Iterable[Target]) -> dict[Target, DocumentNumbers]:
        numbers: dict[Target, list[int]] = {target: [] for target in targets}
        words: list[UrlTarget | DomainTarget | SourceTarget] = []
        contents: dict[ContentTarget, list[Target]] = {}
        for target in numbers:
            if (content := self._content_of(target)) is not None:
                contents.setdefault(content, []).append(target)
            elif not isinstance(target, DocumentTarget | ContentTarget):
                words.append(target)
            elif isinstance(target, DocumentTarget) and self._is_here(target):
                numbers[target].append(target.number)
        if words and METADATA in self._manifest.files:
            for word, number in self._with_words(words):
                numbers[word].append(number)
        if new := {content: list[int]() for content in contents if content not in self._contents}:
            for content, number in self._with_contents(new):
                new[content].append(number)
            self._contents.update((content, np.array(having, dtype=_NUMBER)) for content, having in new.items())
        found = {target: np.array(concerned, dtype=_NUMBER) for target, concerned in numbers.items()}
        found.update((target, self._contents[content]) for content, named in contents.items() for target in named)
        return found

    def _content_of(self, target: Target) -> ContentTarget | None:
        """Returns the content by which a target is found, if it is."""
        match target:
            case ContentTarget():
                return target
            case DocumentTarget(index_id, content=content) if index_id != self._index_id:
                return content
            case _:
                return None

    def _is_here(self, target: DocumentTarget) -> bool:
        is_of_shard = (target.index_id, target.shard) == (self._index_id, self._manifest.shard)
        return is_of_shard and target.number < self._manifest.num_documents

    def _with_words(
        self, targets: Iterable[UrlTarget | DomainTarget | SourceTarget]
    ) -> Iterator[tuple[UrlTarget | DomainTarget | SourceTarget, int]]:
        """Yields each target with each document whose metadata it concerns."""
        rules = _WordRules(targets)
        line_starts = np.fromfile(self._folder / METAOFF, _NUMBER)
        if len(line_starts) != self._manifest.num_documents or line_starts[:1].any():
            raise ManifestError(
                f"{self._folder / METAOFF}: tells where {len(line_starts)} lines begin, the first at 0; "
                f"expected {self._manifest.num_documents}, it has changed"
            )
        with (self._folder / METADATA).open("rb", buffering=0) as file:
            for block_start, block in _blocks_of_lines(file):
                for start, line in _lines(block, rules.hints(block)):
                    number = int(np.searchsorted(line_starts, block_start + start, "right")) - 1
                    for target in rules.concerning(line):
                        yield target, number
                self.pause()

    def _with_contents(self, contents: Iterable[ContentTarget]) -> Iterator[tuple[ContentTarget, int]]:
        """Yields each content with each document that has it."""
        wanted = set(contents)
        lengths_wanted = np.array(sorted({content.num_tokens for content in wanted}), dtype=np.int64)
        with (self._folder / TOKENIZED).open("rb", buffering=0) as text:
            for first, starts in self._starts(0, self._manifest.num_documents):
                lengths = np.diff(starts) // self._manifest.token_width - 1
                for place in np.flatnonzero(np.isin(lengths, lengths_wanted)):
                    content = content_of(self._token_ids(text, int(starts[place]), int(starts[place + 1])))
                    if content in wanted:
                        yield content, first + int(place)
                    self.pause()
                self.pause()

    def _starts(self, first: int, end: int) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Yields documents ``[first, end)``, some at a time: the first one's number, and where each begins, in bytes.

        The last number of each array is where the last document ends.
        """
        num_documents = self._manifest.num_documents
        for start in range(first, end, _BLOCK_DOCUMENTS):
            count = min(end - start, _BLOCK_DOCUMENTS)
            wanted = min(count + 1, num_documents - start)
            starts = np.fromfile(self._folder / OFFSET, _NUMBER, wanted, offset=start * _NUMBER.itemsize)
            if len(starts) != wanted:
                raise ManifestError(f"{self._folder / OFFSET}: ends before document {start + wanted}; it has changed")
            if wanted == count:
                starts = np.append(starts, np.uint64(self._manifest.files[TOKENIZED].size_bytes))
            yield start, starts.astype(np.int64)

    def _token_ids(self, text: BinaryIO, start: int, end: int) -> npt.NDArray[np.unsignedinteger]:
        """Returns the tokens of the document at bytes ``[start, end)`` of the text, its separator among them."""
        width = self._manifest.token_width
        size_bytes = end - start - width
        read = os.pread(text.fileno(), size_bytes, start + width) if size_bytes else b""
        while len(read) < size_bytes:
            more = os.pread(text.fileno(), size_bytes - len(read), start + width + len(read))
            if not more:
                raise ManifestError(f"{self._folder / TOKENIZED}: ends before byte {end}; it has changed")
            read += more
        return np.frombuffer(read, _TOKEN_TYPES[width])


def content_of(token_ids: npt.NDArray[np.unsignedinteger]) -> ContentTarget:
    """Returns the content of a document with these tokens."""
    return ContentTarget(hashlib.sha256(token_ids.astype("<u4").tobytes()).hexdigest(), len(token_ids))


class _WordRules:
    """What urls, domains and sources are wanted."""

    def __init__(self, targets: Iterable[UrlTarget | DomainTarget | SourceTarget]):
        # By host, and then as they are compared: most urls are of no host that is wanted.
        self._urls: dict[str, dict[str, list[UrlTarget]]] = {}
        self._domains: dict[str, DomainTarget] = {}
        self._sources: dict[str, SourceTarget] = {}
        for target in targets:
            match target:
                case UrlTarget(url):
                    self._urls.setdefault(host_of(url), {}).setdefault(normal_url(url), []).append(target)
                case DomainTarget(domain):
                    self._domains[domain] = target
                case SourceTarget(source):
                    self._sources[source] = target
        self._words = {word.encode() for word in self._sources}

    def hints(self, block: bytes) -> Iterator[int]:
        """Yields ascending places in lines that may be wanted, among them one in each line that is."""
        places = [match.start() for match in _FIELD.finditer(block) if self._may_be_wanted(match[1])]
        escaped = [match.start() for match in _ESCAPED_ASCII.finditer(block)] if b"\\u00" in block else []
        yield from sorted(places + escaped) if escaped else places

    def concerning(self, line: bytes) -> Iterator[UrlTarget | DomainTarget | SourceTarget]:
        """Yields the targets that concern a document with this metadata line."""
        fields = metadata_fields(line)
        # What JSON cannot read is shown as it stands: then whatever stands there like a field counts.
        urls = urls_of(fields) if fields else _field_values(line)
        sources = sources_of(fields) if fields else urls
        found: dict[UrlTarget | DomainTarget | SourceTarget, None] = {}
        for url in urls:
            found.update((target, None) for target in self._with_url(url))
            if self._domains:
                found.update((self._domains[domain], None) for domain in _domains(url) if domain in self._domains)
        found.update((self._sources[source], None) for source in sources if source in self._sources)
        yield from found

    def _may_be_wanted(self, written: bytes) -> bool:
        if b"\\" in written:
            try:
                written = str(json.loads(b'"%b"' % written)).encode()
            except ValueError:
                return True
        if written in self._words:
            return True
        if not self._domains and not self._urls:
            return False
        word = written.decode(errors="replace")
        return bool(self._with_url(word)) or any(domain in self._domains for domain in _domains(word))

    def _with_url(self, url: str) -> Collection[UrlTarget]:
        of_host = self._urls.get(host_of(url)) if self._urls else None
        return of_host.get(normal_url(url), ()) if of_host else ()


def _field_values(line: bytes) -> list[str]:
    """Returns what stands in a line like the value of a url, source or path, with plain letters escaped or not."""
    plain = _ESCAPED_LETTER.sub(lambda escape: bytes([int(escape[1], 16)]), line)
    return [_unescaped(match[1]) for match in _FIELD.finditer(plain)]


def _unescaped(written: bytes) -> str:
    try:
        return str(json.loads(b'"%b"' % written))
    except ValueError:
        return written.decode(errors="replace")


def _domains(url: str) -> Iterator[str]:
    """Yields the host of a url and every domain above it."""
    host = host_of(url)
    while host:
        yield host
        host = host.partition(".")[2]


def _blocks_of_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields a file as blocks of whole lines, each with the offset at which it begins."""
    start = 0
    rest: list[bytes] = []
    while read := file.read(_BLOCK_BYTES):
        lines, newline, after = read.rpartition(b"\n")
        if newline:
            block = b"".join((*rest, lines, newline))
            yield start, block
            start, rest = start + len(block), []
        rest.append(after)
    if last := b"".join(rest):
        yield start, last


def _lines(block: bytes, places: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Yields the lines that hold ``places``, which ascend, each once and with where it begins."""
    end = 0
    for place in places:
        if place < end:
            continue
        start = block.rfind(b"\n", 0, place) + 1
        end = block.find(b"\n", place) + 1 or len(block)
        yield start, block[start:end]
