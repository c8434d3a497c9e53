"""Checks a published index: that its files are what was published, and with `deep` that they are right."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from index_format.errors import IndexFormatError, ManifestError
from index_format.layout import METADATA, SIDECARS, UNIGRAM, shard_folder
from index_format.manifest import IndexManifest, ShardManifest, index_id_of, rebuild_advice
from index_format.removed_documents import load_removed
from index_format.tokenizer import open_tokenizer
from indexing.checksums import PublishedFile, hashing
from indexing.deep_check import Inspection, inspect_shards
from indexing.errors import PlanError, VerificationError
from indexing.metadata_check import DOCUMENTS_PER_RUN, all_lines_checked, some_lines_checked
from indexing.plan import check_threads
from indexing.progress import Progress, SilentProgress, Stages
from indexing.token_types import separator_id
from indexing.verification_report import LookedAt, Problem, VerificationReport

MAX_PROBLEMS = 20
# A sample compares the checksums of files up to this size: a checksum cannot be compared in part.
_SMALL_FILE_BYTES = 64 << 20


def verify(
    directory: Path,
    progress: Progress | None = None,
    threads: int = 0,
    *,
    deep: bool = False,
    sample: float | None = None,
    seed: int = 0,
) -> VerificationReport:
    """Checks an index as `find_problems` does, and returns its report if there is no problem.

    Raises:
        PlanError: ``threads`` or ``sample`` is out of range.
        IndexFormatError: there is no index, or the only problem is with manifests, sizes or the tokenizer.
        VerificationError: there is another problem, or several, which the message lists.
        EngineKilledError: a process that checks a shard, which any exception here ends as well, was killed.
    """
    report = find_problems(directory, progress, threads, deep=deep, sample=sample, seed=seed)
    report.raise_problems()
    return report


def find_problems(
    directory: Path,
    progress: Progress | None = None,
    threads: int = 0,
    *,
    deep: bool = False,
    sample: float | None = None,
    seed: int = 0,
    max_problems: int = MAX_PROBLEMS,
) -> VerificationReport:
    """Returns what is wrong with an index, and what was looked at.

    Looks at manifests, sizes, checksums, tokenizer, token ids and metadata lines; with ``deep`` also at what no
    checksum tells of: that the table is a sorted permutation, and that offsets, unigram counts and sidecars match the
    text.

    Args:
        directory: The index.
        progress: Told of the stages.
        threads: Threads to work on; 0 is one a core.
        deep: Compare the contents of the files as well.
        sample: Only this share of each kind of thing, above 0 and below 1; goes with ``deep``. Checksums of large files
            are then not compared.
        seed: Which share.
        max_problems: The search ends after about so many.

    Raises:
        PlanError: ``threads`` or ``sample`` is out of range.
        IndexFormatError: there is no readable ``index.json``.
        EngineKilledError: a process that checks a shard was killed.
    """
    check_threads(threads)
    _check_sample(sample, deep)
    stages = Stages(progress or SilentProgress())
    manifest = IndexManifest.load(directory)
    found = _Findings(max_problems)
    shards, sound = _load_shards(directory, manifest, found)
    found.saw("shards", len(shards), manifest.num_shards)
    vocab_size = _check_tokenizer(directory, manifest, found)
    _check_removed(directory, manifest, shards, found)

    files = _published_files(directory, shards)
    hashed = [file for file in files if sample is None or file.entry.size_bytes <= _SMALL_FILE_BYTES]
    with (
        stages.stage("checksums", sum(file.entry.size_bytes for file in hashed), "bytes") as stage,
        hashing(hashed, threads, stage.advanced) as results,
    ):
        for shard in sound:
            # Meanwhile: it is little, and takes one core.
            found.add(_wrong_token_ids(directory / shard_folder(shard.shard), shard, vocab_size))
            if METADATA in shard.files:
                _check_metadata(directory / shard_folder(shard.shard), shard, sample, seed, found)
        found.add_first(results())
    found.saw("checksums of files", len(hashed), len(files))
    if deep and not found.is_full:
        share = 1.0 if sample is None else sample
        with stages.stage("contents", sum(shard.num_tokens for shard in sound), "tokens") as stage:
            inspection = Inspection(share, seed, found.room)
            for findings in inspect_shards(directory, sound, inspection, threads, stage.advanced):
                found.add(findings.problems)
                for kind in findings.looked_at:
                    found.add_looked_at(kind)
    _note_unlisted_sidecars(directory, sound, stages)
    return VerificationReport(
        manifest=manifest,
        deep=deep,
        sample=sample,
        seed=seed,
        looked_at=found.looked_at,
        problems=tuple(found.problems),
        is_cut_off=found.is_full,
        notes=stages.notes,
        stage_seconds=stages.seconds,
    )


class _Findings:
    """Problems up to a number, and what was looked at by kind, over all shards."""

    def __init__(self, max_problems: int):
        self._max_problems = max(1, max_problems)
        self.problems: list[Problem] = []
        self._looked_at: dict[str, LookedAt] = {}

    @property
    def room(self) -> int:
        """How many more problems are wanted."""
        return self._max_problems - len(self.problems)

    @property
    def is_full(self) -> bool:
        """Whether no more are wanted."""
        return self.room == 0

    @property
    def looked_at(self) -> tuple[LookedAt, ...]:
        """What was looked at, by kind, in the order of the checks."""
        return tuple(self._looked_at.values())

    def add(self, problems: Iterator[Problem] | Sequence[Problem]) -> None:
        """Adds problems, as many as are wanted; no more are searched for."""
        self.problems.extend(islice(problems, self.room))

    def add_first(self, problems: Sequence[Problem]) -> None:
        """Puts problems before those of the contents, which they explain."""
        at = sum(isinstance(problem, IndexFormatError) for problem in self.problems)
        self.problems = [*self.problems[:at], *problems, *self.problems[at:]][: self._max_problems]

    def saw(self, kind: str, looked_at: int, total: int, run: int = 1) -> None:
        """Adds what was looked at."""
        self.add_looked_at(LookedAt(kind, looked_at, total, run))

    def add_looked_at(self, more: LookedAt) -> None:
        """Adds what was looked at of one shard."""
        before = self._looked_at.get(more.kind)
        self._looked_at[more.kind] = more if before is None else before.plus(more)


def _check_sample(sample: float | None, deep: bool) -> None:
    if sample is None:
        return
    if not 0 < sample < 1:
        raise PlanError(f"sample of {sample}, expected a share above 0 and below 1")
    if not deep:
        raise PlanError("a sample is of the contents, which are looked at by a deep check only; ask for one (--deep)")


def _load_shards(
    directory: Path, manifest: IndexManifest, found: _Findings
) -> tuple[list[ShardManifest], list[ShardManifest]]:
    """Returns the manifests of all shards that have one, and of these the ones that nothing is wrong with.

    Files that are missing or of another size are left out of the first.
    """
    try:
        shards = manifest.load_shards(directory)
    except ManifestError as error:
        loaded = [_load_shard(directory, manifest, number) for number in range(manifest.num_shards)]
        problems = [problem for _, of_shard in loaded for problem in of_shard]
        found.add(problems or [error])
        with_manifest = [shard for shard, _ in loaded if shard is not None]
        return with_manifest, [shard for shard, of_shard in loaded if shard is not None and not of_shard]
    if (index_id := index_id_of(shards)) != manifest.index_id:
        message = f"{directory}: the shards give the index id {index_id}, the manifest has {manifest.index_id}"
        found.add([ManifestError(message)])
    return shards, shards


def _load_shard(
    directory: Path, manifest: IndexManifest, number: int
) -> tuple[ShardManifest | None, list[IndexFormatError]]:
    folder = directory / shard_folder(number)
    try:
        return manifest.load_shard(directory, number), []
    except IndexFormatError as error:
        first = error
    try:
        shard = ShardManifest.load(folder)
    except IndexFormatError:
        return None, [first]
    problems: list[IndexFormatError] = []
    whole = {}
    for name, entry in shard.files.items():
        try:
            replace(shard, files={name: entry}).check_files(folder)
            whole[name] = entry
        except ManifestError as error:
            problems.append(error)
    if str(first) not in map(str, problems):
        problems.insert(0, first)
    return replace(shard, files=whole), problems


def _check_tokenizer(directory: Path, manifest: IndexManifest, found: _Findings) -> int | None:
    """Returns the size of the vocabulary, if the tokenizer can be opened."""
    try:
        vocab_size = open_tokenizer(directory, manifest).vocabulary.size
    except IndexFormatError as error:
        found.add([error])
        return None
    if vocab_size != manifest.vocab_size:
        message = f"{directory}: the tokenizer has {vocab_size} entries, the manifest says {manifest.vocab_size}"
        found.add([ManifestError(message)])
    return vocab_size


def _check_removed(directory: Path, manifest: IndexManifest, shards: Sequence[ShardManifest], found: _Findings) -> None:
    if not manifest.removed_sha256 or len(shards) < manifest.num_shards:
        return
    try:
        load_removed(directory, manifest, shards)
    except IndexFormatError as error:
        found.add([error])


def _published_files(directory: Path, shards: Sequence[ShardManifest]) -> list[PublishedFile]:
    return [
        PublishedFile(
            directory / shard_folder(shard.shard) / name,
            entry,
            rebuild_advice(shard.shard) if name in SIDECARS else "copy or build it again",
        )
        for shard in shards
        for name, entry in shard.files.items()
    ]


def _check_metadata(folder: Path, shard: ShardManifest, sample: float | None, seed: int, found: _Findings) -> None:
    seen = 0

    def looked_at(num_documents: int) -> None:
        nonlocal seen
        seen += num_documents

    if sample is None:
        found.add(all_lines_checked(folder, shard.num_documents, looked_at))
    else:
        found.add(some_lines_checked(folder, shard.num_documents, sample, seed, looked_at))
    found.saw("metadata lines", seen, shard.num_documents, DOCUMENTS_PER_RUN)


def _wrong_token_ids(folder: Path, shard: ShardManifest, vocab_size: int | None) -> Iterator[VerificationError]:
    """Yields the tokens that occur and are not in the vocabulary; whether the counts are right is another check."""
    unigrams = folder / UNIGRAM
    if vocab_size is None or not unigrams.exists():
        return
    separator = separator_id(shard.token_width)
    with unigrams.open("rb") as file:
        for number, line in enumerate(file):
            # As the engine reads them: blank lines are passed over, and a line of one number is the count of the token
            # whose id is the number of the line. What is no number is the engine's to name, or a checksum's.
            fields = line.split()
            if not all(field.isdigit() for field in fields):
                continue
            match [int(field) for field in fields]:
                case [token_id, count]:
                    pass
                case [count]:
                    token_id = number
                case _:
                    continue
            if count > 0 and token_id >= vocab_size and token_id != separator:
                yield VerificationError(
                    f"{unigrams}: token id {token_id} occurs, the vocabulary has {vocab_size} entries"
                )


def _note_unlisted_sidecars(directory: Path, shards: Sequence[ShardManifest], stages: Stages) -> None:
    for shard in shards:
        folder = directory / shard_folder(shard.shard)
        if not shard.is_accelerated and all((folder / name).exists() for name in SIDECARS):
            stages.note(
                f"{folder}: {' and '.join(SIDECARS)} are there but not published, so they have no checksums; "
                "'headwater index accelerate' publishes them"
            )
