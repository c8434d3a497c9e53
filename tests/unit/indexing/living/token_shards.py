"""Shards of made-up token ids, as the tests of what rewrites shards need them: unsorted, with manifests."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED, UNIGRAM
from index_format.manifest import FORMAT_VERSION, FileEntry, ShardManifest
from tests.tiny_index import write_shard

Documents = Sequence[Sequence[int]]
CORE_NAMES = (TOKENIZED, OFFSET, METADATA, METAOFF, UNIGRAM)


def line_of(number: int) -> dict[str, object]:
    """Returns the metadata of a document of a corpus: lines of different lengths."""
    return {"path": "corpus.jsonl", "linenum": number, "metadata": {"name": "x" * (number % 7)}}


def write_documents(
    folder: Path, documents: Documents, numbers: Sequence[int], width: int, *, metadata: bool = True
) -> ShardManifest:
    """Writes the documents of these numbers as one shard and returns its manifest."""
    lines = [line_of(number) for number in numbers] if metadata else None
    write_shard(folder, [documents[number] for number in numbers], width, lines, sort=False)
    contents = {name: (folder / name).read_bytes() for name in CORE_NAMES if (folder / name).exists()}
    return ShardManifest(
        format_version=FORMAT_VERSION,
        shard=int(folder.name.removeprefix("shard_")),
        token_width=width,
        num_tokens=len(contents[TOKENIZED]) // width,
        num_documents=len(numbers),
        tokenizer_sha256="0" * 64,
        files={
            name: FileEntry(len(content), hashlib.sha256(content).hexdigest()) for name, content in contents.items()
        },
    )


def core_files(folder: Path) -> dict[str, bytes]:
    """Returns the content of the core files of a shard that is not sorted."""
    return {name: (folder / name).read_bytes() for name in CORE_NAMES if (folder / name).exists()}
