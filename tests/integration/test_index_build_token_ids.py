"""Corpora of token ids give the index of the texts that they were made of."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import indexing
from index_format.layout import OFFSET, TABLE, TOKENIZED, UNIGRAM, shard_folder
from indexing.plan import BuildPlan, TokenizerFile
from tests.integration.index_builds import make_texts, run_index_command, write_corpus
from tests.tiny_index import byte_level_tokenizer

SHARDS = 2
TEXTS = make_texts(60)
TOKENIZER = byte_level_tokenizer(TEXTS)
SEPARATOR = TOKENIZER.vocabulary.pieces.index(b"\x00")  # no text holds it
IDS = [token_ids.tolist() for token_ids in TOKENIZER.encode_batch(TEXTS)]


@pytest.fixture
def tokenizer_file(tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_bytes(TOKENIZER.content)
    return tmp_path / "tokenizer.json"


@pytest.fixture
def index_of_texts(tmp_path: Path, tokenizer_file: Path) -> Path:
    source = write_corpus(tmp_path / "corpus" / "a.jsonl", TEXTS)
    plan = BuildPlan(
        sources=(source,), output=tmp_path / "texts", tokenizer=TokenizerFile(tokenizer_file), shards=SHARDS
    )
    indexing.build(plan)
    return plan.output


def write_array(path: Path) -> list[str]:
    np.save(path.with_suffix(".npy"), np.array([id_ for ids in IDS for id_ in (*ids, SEPARATOR)], dtype=np.uint16))
    return [str(path.with_suffix(".npy")), "--document-separator", str(SEPARATOR)]


def write_column(path: Path) -> list[str]:
    table = pyarrow.table({"ids": IDS, "number": list(range(len(IDS)))})
    pyarrow.parquet.write_table(table, path.with_suffix(".parquet"), row_group_size=7)
    return [str(path.with_suffix(".parquet")), "--ids-field", "ids"]


@pytest.mark.parametrize("write", [write_array, write_column])
def test_token_ids_give_the_index_of_their_texts(
    tmp_path: Path, tokenizer_file: Path, index_of_texts: Path, write: Callable[[Path], list[str]]
) -> None:
    arguments = write(tmp_path / "ids")
    common = ["--out", tmp_path / "made", "--tokenizer", tokenizer_file, "--shards", str(SHARDS), "--json"]
    code, out, err = run_index_command("build", *arguments, *common)
    assert code == 0, err
    assert json.loads(out)["text_bytes"] == sum(len(text.encode()) for text in TEXTS)
    for number in range(SHARDS):
        for name in (TOKENIZED, OFFSET, UNIGRAM, TABLE):
            found, wanted = (place / shard_folder(number) / name for place in (tmp_path / "made", index_of_texts))
            assert found.read_bytes() == wanted.read_bytes(), name
    indexing.verify(tmp_path / "made")


def test_ids_of_another_tokenizer_are_refused_with_their_place(tmp_path: Path, tokenizer_file: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, 2], [3, TOKENIZER.vocabulary.size]]))
    code, _, err = run_index_command(
        "build", tmp_path / "a.npy", "--out", tmp_path / "made", "--tokenizer", tokenizer_file
    )
    assert code == 1
    assert (
        f"a.npy:2: token id {TOKENIZER.vocabulary.size} at place 1 of the document, the vocabulary has ids 0 to" in err
    )
    assert not (tmp_path / "made" / "index.json").exists()
