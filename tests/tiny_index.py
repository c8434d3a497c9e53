"""Tiny indexes written by hand: the core files from lists of tokens, the manifests through `index_format`."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers

import suffix_engine
from index_format.layout import (
    CORE_FILES,
    METADATA,
    METAOFF,
    OFFSET,
    SIDECARS,
    TOKENIZED,
    TOKENIZER_FILE,
    UNIGRAM,
    shard_folder,
)
from index_format.manifest import FORMAT_VERSION, FileEntry, IndexManifest, ShardManifest, index_id_of
from index_format.tokenizer import RAW_BYTES, ByteTokenizer, JsonTokenizer, Tokenizer
from tests import oracle

_NUMPY_TYPES = {1: np.uint8, 2: np.uint16, 4: np.uint32}


def write_shard(
    directory: Path,
    documents: Sequence[oracle.Document],
    width: int,
    metadata: Sequence[Mapping[str, Any]] | None = None,
    *,
    unigrams: bool = True,
    sort: bool = True,
) -> Path:
    """Writes the core files of one shard; without ``metadata`` the two files of it are left out."""
    directory.mkdir(parents=True, exist_ok=True)
    text = oracle.text_of(documents, width)
    np.array(text, dtype=_NUMPY_TYPES[width]).tofile(directory / TOKENIZED)
    starts = np.cumsum([0, *(len(document) + 1 for document in documents)])[:-1]
    (starts * width).astype(np.uint64).tofile(directory / OFFSET)
    if unigrams:
        counts = sorted(oracle.unigram_counts(documents, width).items())
        (directory / UNIGRAM).write_text("".join(f"{token} {number}\n" for token, number in counts))
    if metadata is not None:
        lines = [json.dumps(fields) + "\n" for fields in metadata]
        (directory / METADATA).write_text("".join(lines))
        np.cumsum([0, *map(len, lines)])[:-1].astype(np.uint64).tofile(directory / METAOFF)
    if sort:
        suffix_engine.sort_shard(directory, token_width=width, num_threads=1)
    return directory


def write_index(
    directory: Path,
    shards: Sequence[Sequence[str]],
    tokenizer: Tokenizer | None = None,
    *,
    accelerated: bool = False,
) -> Path:
    """Writes a whole index of the texts of each shard, of raw bytes if there is no tokenizer, perhaps with sidecars."""
    chosen = tokenizer or ByteTokenizer()
    width = _token_width(chosen)
    manifests = [
        _write_index_shard(directory / shard_folder(number), number, texts, chosen, width, accelerated)
        for number, texts in enumerate(shards)
    ]
    if isinstance(chosen, JsonTokenizer):
        (directory / TOKENIZER_FILE).write_bytes(chosen.content)
    IndexManifest(
        format_version=FORMAT_VERSION,
        index_id=index_id_of(manifests),
        token_width=width,
        num_shards=len(manifests),
        num_tokens=sum(manifest.num_tokens for manifest in manifests),
        num_documents=sum(manifest.num_documents for manifest in manifests),
        tokenizer=TOKENIZER_FILE if isinstance(chosen, JsonTokenizer) else RAW_BYTES,
        tokenizer_sha256=chosen.sha256,
        vocab_size=chosen.vocabulary.size,
        stage="test",
        source="tiny",
        built_by="tests",
    ).save(directory)
    return directory


def _write_index_shard(
    folder: Path, number: int, texts: Sequence[str], tokenizer: Tokenizer, width: int, accelerated: bool
) -> ShardManifest:
    documents = [ids.tolist() for ids in tokenizer.encode_batch(texts)]
    metadata = [
        {"path": f"part-{number}.jsonl", "linenum": line, "metadata": {"source": "tiny"}} for line in range(len(texts))
    ]
    write_shard(folder, documents, width, metadata)
    if accelerated:
        suffix_engine.accelerate_shard(folder, token_width=width, num_threads=1)
    names = (*CORE_FILES, *SIDECARS) if accelerated else CORE_FILES
    manifest = ShardManifest(
        format_version=FORMAT_VERSION,
        shard=number,
        token_width=width,
        num_tokens=sum(len(document) + 1 for document in documents),
        num_documents=len(documents),
        tokenizer_sha256=tokenizer.sha256,
        files={name: _file_entry(folder / name) for name in names},
    )
    manifest.save(folder)
    return manifest


def byte_level_tokenizer(texts: Sequence[str], vocab_size: int = 400) -> JsonTokenizer:
    """Returns a byte-level BPE tokenizer trained on ``texts``: at least 256 entries, so u16."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size,
        show_progress=False,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(texts, trainer)
    return JsonTokenizer(tokenizer.to_str().encode())


def _token_width(tokenizer: Tokenizer) -> int:
    # The separator is no token, so a width has room for one id less. Bytes fit: UTF-8 never holds 0xFF.
    if isinstance(tokenizer, ByteTokenizer):
        return 1
    return 2 if tokenizer.vocabulary.size < 2**16 else 4


def _file_entry(path: Path) -> FileEntry:
    content = path.read_bytes()
    return FileEntry(len(content), hashlib.sha256(content).hexdigest())
