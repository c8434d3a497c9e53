"""Random corpora in files of every kind, and the files of their shards by way of chunks."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import zstandard
from hypothesis import strategies as st

from indexing.assembling import assemble_shard
from indexing.documents import DocumentFields
from indexing.sources import find_corpus
from indexing.splits import splits_of
from indexing.tokenizing_task import Tokenizing, tokenize_split

SUFFIXES = (".jsonl", ".jsonl.gz", ".json.zst", ".parquet", ".txt", ".md.gz")
texts = st.text(alphabet="ab \n\u00e9\u4e2d", max_size=30)
files_of_texts = st.lists(st.tuples(st.sampled_from(SUFFIXES), st.lists(texts, max_size=12)), min_size=1, max_size=5)
FIELDS = DocumentFields("text", None)


def write_files(folder: Path, files: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Writes one file for each suffix and its texts; plain text has all of them as one document."""
    folder.mkdir(parents=True)
    for number, (suffix, held) in enumerate(files):
        path = folder / f"part-{number:03}{suffix}"
        records: list[dict[str, Any]] = [{"text": text, "n": n} for n, text in enumerate(held)]
        if suffix == ".parquet":
            columns = {
                "text": pyarrow.array([r["text"] for r in records], pyarrow.string()),
                "n": [r["n"] for r in records],
            }
            pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=3)
            continue
        lines = [json.dumps(record) for record in records]
        lines[1:1] = ["", "  "]  # blank lines count, but are no documents
        content = "\n".join(lines) if "json" in suffix else "".join(held)
        packed = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)(content.encode())
        path.write_bytes(packed)


def assembled(
    corpus: Path, folder: Path, *, shards: int, width: int, tokenizer: Path | None, vocab_size: int, skip: bool = False
) -> list[Path]:
    """Tokenizes and assembles a corpus below ``folder`` and returns the folders of the shards."""
    how = Tokenizing(tokenizer, width, shards, FIELDS, skip_bad_lines=skip)
    splits = splits_of(find_corpus([corpus]))
    # In any order: a split knows nothing of the others.
    for split in reversed(splits):
        tokenize_split(split, how, folder / "chunks" / f"{split.number:05}")
    chunks = [folder / "chunks" / f"{split.number:05}" for split in splits]
    made = []
    for number in range(shards):
        made.append(folder / f"shard_{number:05}")
        made[-1].mkdir()
        assemble_shard(chunks, number, shards, made[-1], width, vocab_size)
    return made
