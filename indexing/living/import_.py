"""Makes an index of shards that infini-gram built: manifests of ours, its files linked."""

import shutil
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from index_format.layout import (
    CORE_FILES,
    METADATA,
    SHARD_MANIFEST,
    SIDECARS,
    TOKENIZED,
    TOKENIZER_FILE,
    UNIGRAM,
    check_path_name,
)
from index_format.manifest import (
    FORMAT_VERSION,
    IndexManifest,
    ShardManifest,
    flush_directory,
    index_id_of,
    write_durably,
)
from index_format.tokenizer import RAW_BYTES, ByteTokenizer, JsonTokenizer, Tokenizer
from indexing.build_journal import BuildJournal
from indexing.engine_call import call_engine
from indexing.errors import EngineCallError, ForeignShardError, PlanError
from indexing.living.foreign_shards import ForeignShard, check_foreign_shard, find_foreign_shards
from indexing.living.links import Linked, link
from indexing.output import BuildDirectory, build_directory
from indexing.plan import check_threads
from indexing.progress import Progress, SilentProgress, Stages
from indexing.publishing import file_entries
from indexing.token_counts import TokenCounts
from indexing.token_types import TOKEN_TYPES, separator_id

_BLOCK_BYTES = 4 << 20
# Enough to see whether it is text.
_SHOWN_TOKENS = 24


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import made.

    ``links`` counts files by how they were linked. ``counted`` are the shards without unigram counts, whose tokens were
    counted; ``without_metadata`` those without metadata. ``beginning`` is how the first document begins: if it is no
    text, the tokenizer is another one than the index was built with.
    """

    manifest: IndexManifest
    links: Mapping[Linked, int]
    counted: tuple[int, ...]
    without_metadata: tuple[int, ...]
    beginning: str
    stage_seconds: tuple[tuple[str, float], ...]


def import_index(
    folders: Sequence[Path],
    output: Path,
    tokenizer_file: Path | None,
    progress: Progress | None = None,
    *,
    token_width: int | None = None,
    stage: str = "",
    source: str = "",
    threads: int = 0,
    fresh: bool = False,
) -> ImportReport:
    """Makes an index in ``output`` of the shards in ``folders``, where nothing is written.

    The files are checked as far as `foreign_shards.check_foreign_shard` says, opened by the engine, and read once for
    their checksums. When it is interrupted, the same call goes on with the first shard that is not finished.

    Args:
        folders: Folders of infini-gram's version 4 or 6, or of such folders.
        output: Directory of the index; new or empty.
        tokenizer_file: The ``tokenizer.json`` that the shards were built with; None if their tokens are bytes.
        progress: Listens.
        token_width: Bytes a token; needed only if the files do not tell.
        stage: Training stage of the documents, a label.
        source: Name of the corpus, a label.
        threads: Threads that compute checksums; 0 means one a core.
        fresh: Begin anew where an unfinished import is found.

    Raises:
        ForeignShardError: the files are no shard, or hold tokens that the tokenizer lacks.
        IndexFormatError: there is no shard, ``output`` cannot be used, or the tokenizer cannot.
        IndexingError: as for a build.
    """
    check_threads(threads)
    check_path_name(output)
    stages = Stages(progress or SilentProgress())
    found = find_foreign_shards(folders, token_width)
    tokenizer = ByteTokenizer() if tokenizer_file is None else JsonTokenizer.from_file(tokenizer_file)
    width = found[0].token_width
    _check_tokenizer(tokenizer, width, found[0])
    journal = _journal(found, tokenizer, stage, source)
    importer = _Importer(tokenizer, width, threads, stages)
    with build_directory(output, journal, stages.note, fresh=fresh) as build:
        if not build.is_published:
            shards = importer.import_shards(found, build)
            _publish(output, shards, tokenizer, stage, source)
        manifest = IndexManifest.load(output)
        shards = manifest.load_shards(output)
        build.finish()
    return ImportReport(
        manifest=manifest,
        links=dict(importer.links),
        counted=tuple(importer.counted),
        without_metadata=tuple(shard.shard for shard in shards if METADATA not in shard.files),
        beginning=_beginning(found[0], tokenizer),
        stage_seconds=stages.seconds,
    )


def _publish(output: Path, shards: Sequence[ShardManifest], tokenizer: Tokenizer, stage: str, source: str) -> None:
    """Writes the tokenizer and last the manifest of an index whose shards have theirs."""
    if isinstance(tokenizer, JsonTokenizer):
        write_durably(output / TOKENIZER_FILE, tokenizer.content)
    manifest = IndexManifest(
        format_version=FORMAT_VERSION,
        index_id=index_id_of(list(shards)),
        token_width=shards[0].token_width,
        num_shards=len(shards),
        num_tokens=sum(shard.num_tokens for shard in shards),
        num_documents=sum(shard.num_documents for shard in shards),
        tokenizer=TOKENIZER_FILE if isinstance(tokenizer, JsonTokenizer) else RAW_BYTES,
        tokenizer_sha256=tokenizer.sha256,
        vocab_size=tokenizer.vocabulary.size,
        stage=stage,
        source=source,
        built_by=f"infini-gram, imported by headwater {version('headwater')}",
        # Its indexer deals documents out in batches, so what was read in turn cannot be told.
        dealing=(1,) * len(shards) if len(shards) > 1 else (),
    )
    flush_directory(output)
    manifest.save(output)


class _Importer:
    """Links shards one after another, and remembers how."""

    def __init__(self, tokenizer: Tokenizer, width: int, threads: int, stages: Stages):
        self._tokenizer = tokenizer
        self._width = width
        self._threads = threads
        self._stages = stages
        self.links: Counter[Linked] = Counter()
        self.counted: list[int] = []

    def import_shards(self, found: Sequence[ForeignShard], build: BuildDirectory) -> list[ShardManifest]:
        """Returns the manifests of all shards, which are written into their folders."""
        size_bytes = sum(shard.path(name).stat().st_size for shard in found for name in _names(shard))
        with self._stages.stage("check and link", size_bytes, "bytes") as progress:
            return [self._import(number, shard, build, progress) for number, shard in enumerate(found)]

    def _import(self, number: int, shard: ForeignShard, build: BuildDirectory, progress: Progress) -> ShardManifest:
        folder = build.shard(number)
        if (finished := _finished(folder)) is not None:
            progress.found_done(sum(entry.size_bytes for entry in finished.files.values()))
            return finished
        try:
            return self._link_and_list(number, shard, folder, progress)
        except ForeignShardError:
            # So that nothing is kept of an import that got no further than this, and another tokenizer can be tried.
            shutil.rmtree(folder)
            raise

    def _link_and_list(self, number: int, shard: ForeignShard, folder: Path, progress: Progress) -> ShardManifest:
        num_documents = check_foreign_shard(shard)
        names = _names(shard)
        for name in names:
            self.links[link(shard.path(name), folder / name, "symbolic")] += 1
        if UNIGRAM in names:
            _check_vocabulary(shard.path(UNIGRAM), self._tokenizer, self._width)
        else:
            self._count_tokens(shard, folder, num_documents)
            self.counted.append(number)
            self._stages.note(f"{shard.path(UNIGRAM)}: not found; the tokens of {shard.path(TOKENIZED)} were counted")
            names.append(UNIGRAM)
        if METADATA not in names:
            self._stages.note(f"{shard.path(METADATA)}: not found; the documents of shard {number} have no metadata")
        flush_directory(folder)
        _check_opens(shard, folder, self._width)
        # Listed in the order of every other manifest.
        listed = [name for name in (*CORE_FILES, *SIDECARS) if name in names]
        entries = file_entries([folder / name for name in listed], self._threads, progress.advanced)
        manifest = ShardManifest(
            format_version=FORMAT_VERSION,
            shard=number,
            token_width=self._width,
            num_tokens=shard.path(TOKENIZED).stat().st_size // self._width,
            num_documents=num_documents,
            tokenizer_sha256=self._tokenizer.sha256,
            files=dict(zip(listed, entries, strict=True)),
        )
        manifest.save(folder)
        return manifest

    def _count_tokens(self, shard: ForeignShard, folder: Path, num_documents: int) -> None:
        counts = TokenCounts(self._width, self._tokenizer.vocabulary.size)
        with shard.path(TOKENIZED).open("rb", buffering=0) as text:
            while block := text.read(_BLOCK_BYTES):
                counts.add(block)
        if counts.num_unknown:
            raise ForeignShardError(
                f"{shard.path(TOKENIZED)}: {counts.num_unknown} tokens have ids that the tokenizer lacks, which has "
                f"{self._tokenizer.vocabulary.size} entries; name the tokenizer that the index was built with"
            )
        if counts.num_documents != num_documents:
            raise ForeignShardError(
                f"{shard.path(TOKENIZED)}: {counts.num_documents} separators, expected {num_documents}: one a document"
            )
        write_durably(folder / UNIGRAM, counts.lines())


def _names(shard: ForeignShard) -> list[str]:
    """Returns the names that the files of a shard get: what it has of core files, and the sidecars if it has both."""
    there = [name for name in CORE_FILES if shard.path(name).exists()]
    if shard.number is not None and all(shard.path(name).exists() for name in SIDECARS):
        there += SIDECARS
    return there


def _finished(folder: Path) -> ShardManifest | None:
    return ShardManifest.load(folder) if (folder / SHARD_MANIFEST).exists() else None


def _check_tokenizer(tokenizer: Tokenizer, width: int, shard: ForeignShard) -> None:
    if (tokenizer.sha256 == ByteTokenizer.sha256) != (width == 1):
        wanted = "bytes, for which --raw-bytes stands" if width == 1 else f"{width} bytes, name the tokenizer of them"
        raise PlanError(f"{shard.path(TOKENIZED)}: tokens of {wanted}")
    if width > 1 and tokenizer.vocabulary.size > separator_id(width):
        raise PlanError(
            f"{shard.path(TOKENIZED)}: tokens of {width} bytes, the tokenizer has {tokenizer.vocabulary.size} entries: "
            "it is another one than the index was built with"
        )


def _check_vocabulary(unigrams: Path, tokenizer: Tokenizer, width: int) -> None:
    """Checks that no token is counted which the tokenizer lacks; the engine checks the rest when it opens the shard."""
    with unigrams.open("rb") as file:
        for number, line in enumerate(file):
            fields = line.split()
            if not fields or not all(field.isdigit() for field in fields):
                continue
            token_id, count = (number if len(fields) == 1 else int(fields[0])), int(fields[-1])
            if count and token_id >= tokenizer.vocabulary.size and token_id != separator_id(width):
                raise ForeignShardError(
                    f"{unigrams}: token id {token_id} occurs, the tokenizer has {tokenizer.vocabulary.size} entries; "
                    "name the tokenizer that the index was built with"
                )


def _check_opens(shard: ForeignShard, folder: Path, width: int) -> None:
    try:
        call_engine("open", folder, token_width=width, num_threads=1)
    except EngineCallError as error:
        raise ForeignShardError(f"{shard.path(TOKENIZED)}: the shard cannot be opened ({error})") from error


def _beginning(shard: ForeignShard, tokenizer: Tokenizer) -> str:
    """Returns the first tokens of the shard's first document as text."""
    with shard.path(TOKENIZED).open("rb") as text:
        first = np.frombuffer(text.read((_SHOWN_TOKENS + 1) * shard.token_width), TOKEN_TYPES[shard.token_width])[1:]
    ends = np.flatnonzero(first == separator_id(shard.token_width))
    token_ids = first[: ends[0]] if len(ends) else first
    return b"".join(tokenizer.vocabulary.pieces[token_id] for token_id in token_ids).decode(errors="replace")


def _journal(found: Sequence[ForeignShard], tokenizer: Tokenizer, stage: str, source: str) -> BuildJournal:
    options: dict[str, Any] = {
        "built by": f"headwater {version('headwater')}",
        "command": "import",
        "tokenizer": f"sha256 {tokenizer.sha256}",
        "token_width": found[0].token_width,
        "stage": stage,
        "source": source,
    }
    files = {str(path): path.stat() for shard in found for path in map(shard.path, _names(shard))}
    sources = {name: (status.st_size, str(status.st_mtime_ns)) for name, status in files.items()}
    return BuildJournal(uuid.uuid4().hex[:16], options, sources)
