"""Checks everything about a published index that opening it does not. Reads every byte."""

import json
import struct
from pathlib import Path

from index_format.errors import ManifestError
from index_format.layout import METADATA, METAOFF, SIDECARS, UNIGRAM, shard_folder
from index_format.manifest import IndexManifest, ShardManifest, index_id_of, rebuild_advice
from index_format.tokenizer import open_tokenizer
from indexing.engine_call import call_engine
from indexing.errors import EngineCallError, VerificationError
from indexing.plan import check_threads
from indexing.progress import Progress, SilentProgress, Stages
from indexing.publishing import file_entries
from indexing.shard_writer import separator_id

_U64 = struct.Struct("<Q")


def verify(directory: Path, progress: Progress | None = None, threads: int = 0) -> IndexManifest:
    """Checks a whole index and returns its manifest.

    What is checked: manifests, sizes, checksums, tokenizer, tables, metadata lines, and sidecars where there are any.

    Raises:
        PlanError: ``threads`` is out of range.
        IndexFormatError: there is no index, or manifests, sizes or tokenizer disagree.
        VerificationError: a checksum, a count or a metadata line is wrong; the table is no sorted permutation; or
            offsets, unigram counts or sidecars do not match the text.
        EngineKilledError: the process that checks a shard, which any exception here ends as well, was killed.
    """
    check_threads(threads)
    stages = Stages(progress or SilentProgress())
    manifest = IndexManifest.load(directory)
    shards = manifest.load_shards(directory)
    if (found := index_id_of(shards)) != manifest.index_id:
        raise ManifestError(f"{directory}: the shards give the index id {found}, the manifest has {manifest.index_id}")
    vocab_size = open_tokenizer(directory, manifest).vocabulary.size
    if vocab_size != manifest.vocab_size:
        raise ManifestError(
            f"{directory}: the tokenizer has {vocab_size} entries, the manifest says {manifest.vocab_size}"
        )
    size_bytes = sum(entry.size_bytes for shard in shards for entry in shard.files.values())
    with stages.stage("checksums", size_bytes, "bytes") as stage:
        for shard in shards:
            _check_checksums(directory / shard_folder(shard.shard), shard, threads, stage)
    with stages.stage("contents", manifest.num_tokens, "tokens") as stage:
        for shard in shards:
            _check_contents(directory / shard_folder(shard.shard), shard, vocab_size, threads)
            stage.advanced(shard.num_tokens)
    for shard in shards:
        folder = directory / shard_folder(shard.shard)
        if not shard.is_accelerated and all((folder / name).exists() for name in SIDECARS):
            stages.note(
                f"{folder}: {' and '.join(SIDECARS)} are there but not published, so they have no checksums; "
                "'headwater index accelerate' publishes them"
            )
    return manifest


def _check_checksums(folder: Path, shard: ShardManifest, threads: int, progress: Progress) -> None:
    found = file_entries([folder / name for name in shard.files], threads, progress.advanced)
    for (name, published), entry in zip(shard.files.items(), found, strict=True):
        if entry != published:
            advice = rebuild_advice(shard.shard) if name in SIDECARS else "copy or build it again"
            raise VerificationError(
                f"{folder / name}: content has sha256 {entry.sha256}, {published.sha256} was published; "
                f"the file has changed or is damaged, {advice}"
            )


def _check_contents(folder: Path, shard: ShardManifest, vocab_size: int, threads: int) -> None:
    printed: list[str] = []
    try:
        call_engine("verify", folder, token_width=shard.token_width, num_threads=threads, heard=printed.append)
    except EngineCallError as error:
        message = str(error)
        if any(f"{folder / name}:" in message for name in SIDECARS):
            message = f"{message}; {rebuild_advice(shard.shard)}"
        raise VerificationError(message) from error
    found = [int(number) for number in printed[0].split()]
    if found != [shard.num_tokens, shard.num_documents]:
        raise VerificationError(
            f"{folder}: files hold {found[0]} tokens in {found[1]} documents, "
            f"the manifest says {shard.num_tokens} in {shard.num_documents}"
        )
    _check_token_ids(folder / UNIGRAM, separator_id(shard.token_width), vocab_size)
    if METADATA in shard.files:
        _check_metadata(folder, shard.num_documents)


def _check_token_ids(unigrams: Path, separator: int, vocab_size: int) -> None:
    """Checks that every token is in the vocabulary; that the counts are those of the text is known by now."""
    if not unigrams.exists():
        return
    with unigrams.open("rb") as file:
        for number, line in enumerate(file):
            # As the engine reads them: blank lines are passed over, and a line of one number is the count of the token
            # whose id is the number of the line.
            match [int(field) for field in line.split()]:
                case [token_id, count]:
                    pass
                case [count]:
                    token_id = number
                case _:
                    continue
            if count > 0 and token_id >= vocab_size and token_id != separator:
                raise VerificationError(
                    f"{unigrams}: token id {token_id} occurs, the vocabulary has {vocab_size} entries"
                )


def _check_metadata(folder: Path, num_documents: int) -> None:
    """Checks that the metadata has one JSON object a line, one line a document, each where its start is said to be."""
    path, starts_path = folder / METADATA, folder / METAOFF
    position = num_lines = 0
    with path.open("rb") as lines, starts_path.open("rb") as starts:
        for line in lines:
            num_lines += 1
            if starts.read(_U64.size) != _U64.pack(position):
                raise VerificationError(
                    f"{path}:{num_lines}: a line starts at byte {position}, which {starts_path.name} does not say"
                )
            _check_object(line, f"{path}:{num_lines}")
            position += len(line)
        if num_lines != num_documents or starts.read(1):
            raise VerificationError(f"{path}: {num_lines} lines, expected {num_documents}: one a document")


def _check_object(line: bytes, place: str) -> None:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise VerificationError(f"{place}: not valid JSON ({error})") from error
    if not isinstance(fields, dict):
        raise VerificationError(f"{place}: expected a JSON object, found {type(fields).__name__}")
