import json
import random
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import indexing.assembling
import indexing.chunk_writer
import indexing.splits
import indexing.tokenizing_task
from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED, UNIGRAM
from index_format.tokenizer import ByteTokenizer, JsonTokenizer
from indexing.assembling import assemble_shard, assembling_memory_bytes
from indexing.durable_file import BUFFER_BYTES
from tests import tiny_index
from tests.unit.indexing.chunked_corpus import SUFFIXES, assembled, files_of_texts, write_files
from tests.unit.indexing.reading import read_all

FILES = (TOKENIZED, OFFSET, METADATA, METAOFF, UNIGRAM)


@pytest.fixture(scope="module", autouse=True)
def small_pieces() -> Iterator[None]:
    """Cuts, batches and blocks that small corpora need several of."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing.splits, "_LEAST_SPLIT_BYTES", 150)
        patch.setattr(indexing.splits, "_MOST_SPLIT_BYTES", 150)
        patch.setattr(indexing.splits, "_READ_BYTES", 7)
        patch.setattr(indexing.splits, "_LEAST_PACKED_BYTES", 20)
        patch.setattr(indexing.tokenizing_task, "_BATCH_CHARACTERS", 60)
        patch.setattr(indexing.tokenizing_task, "_BATCH_DOCUMENTS", 4)
        patch.setattr(indexing.chunk_writer, "_BLOCK_BYTES", 40)
        patch.setattr(indexing.assembling, "_BLOCK_BYTES", 16)
        yield


def by_hand(
    corpus: Path, folder: Path, *, shards: int, width: int, tokenizer: ByteTokenizer | JsonTokenizer
) -> list[Path]:
    """Writes the shards of a corpus document by document."""
    documents = read_all(corpus)
    token_ids = [ids.tolist() for ids in tokenizer.encode_batch([document.text for document in documents])]
    kept = [
        (ids, json.loads(document.metadata_line)) for ids, document in zip(token_ids, documents, strict=True) if ids
    ]
    folders = []
    for number in range(shards):
        mine = kept[number::shards]
        folders.append(folder / f"shard_{number:05}")
        tiny_index.write_shard(folders[-1], [ids for ids, _ in mine], width, [line for _, line in mine], sort=False)
    return folders


def assert_same(found: list[Path], wanted: list[Path]) -> None:
    for one, other in zip(found, wanted, strict=True):
        for name in FILES:
            assert (one / name).read_bytes() == (other / name).read_bytes(), f"{one.name}/{name}"


@settings(max_examples=40)  # each flushes dozens of files to disk
@given(files=files_of_texts, shards=st.integers(1, 4))
def test_shards_are_those_written_document_by_document(
    tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, list[str]]], shards: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    write_files(folder / "corpus", files)
    assume(sum(document.text != "" for document in read_all(folder / "corpus")) >= shards)
    found = assembled(folder / "corpus", folder / "a", shards=shards, width=1, tokenizer=None, vocab_size=256)
    wanted = by_hand(folder / "corpus", folder / "b", shards=shards, width=1, tokenizer=ByteTokenizer())
    assert_same(found, wanted)


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("shards", [1, 3])
def test_shards_of_wide_tokens_are_those_written_document_by_document(tmp_path: Path, width: int, shards: int) -> None:
    chooser = random.Random(11)
    held = ["".join(chooser.choices("ab \u00e9", k=chooser.randint(0, 40))) for _ in range(300)]
    write_files(tmp_path / "corpus", [(suffix, held[number::6]) for number, suffix in enumerate(SUFFIXES)])
    tokenizer = tiny_index.byte_level_tokenizer(held)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.content)
    found = assembled(
        tmp_path / "corpus",
        tmp_path / "a",
        shards=shards,
        width=width,
        tokenizer=tmp_path / "tokenizer.json",
        vocab_size=tokenizer.vocabulary.size,
    )
    wanted = by_hand(tmp_path / "corpus", tmp_path / "b", shards=shards, width=width, tokenizer=tokenizer)
    assert_same(found, wanted)


def test_a_finished_shard_is_left_and_a_half_made_one_is_begun_anew(tmp_path: Path) -> None:
    write_files(tmp_path / "corpus", [(".jsonl", ["a b", "", "ab"])])
    (shard,) = assembled(tmp_path / "corpus", tmp_path / "a", shards=1, width=1, tokenizer=None, vocab_size=256)
    wanted = {name: (shard / name).read_bytes() for name in FILES}
    chunks = sorted((tmp_path / "a" / "chunks").iterdir())
    written = assemble_shard(chunks, 0, 1, shard, 1, 256)
    assert (written.num_tokens, written.num_documents) == (7, 2)
    assert written == assemble_shard(chunks, 0, 1, shard, 1, 256)
    (shard / UNIGRAM).unlink()
    (shard / TOKENIZED).write_bytes(b"half of")
    (shard / METAOFF).unlink()
    assert assemble_shard(chunks, 0, 1, shard, 1, 256) == written
    assert {name: (shard / name).read_bytes() for name in FILES} == wanted


def test_assembling_tells_every_byte_of_text_and_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.assembling, "_BLOCK_BYTES", 1 << 10)
    write_files(tmp_path / "corpus", [(".jsonl", ["ab" * 500] * 20)])
    assembled(tmp_path / "corpus", tmp_path / "a", shards=1, width=1, tokenizer=None, vocab_size=256)
    (tmp_path / "b").mkdir()
    told: list[int] = []
    assemble_shard(sorted((tmp_path / "a" / "chunks").iterdir()), 0, 1, tmp_path / "b", 1, 256, told.append)
    assert sum(told) == sum((tmp_path / "b" / name).stat().st_size for name in (TOKENIZED, METADATA))
    assert len(told) > 20


def test_assembling_takes_no_more_memory_than_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.assembling, "_BLOCK_BYTES", 64 << 10)
    write_files(tmp_path / "corpus", [(".jsonl", ["ab" * 5000] * 200)])
    assembled(tmp_path / "corpus", tmp_path / "a", shards=1, width=1, tokenizer=None, vocab_size=256)
    chunks = sorted((tmp_path / "a" / "chunks").iterdir())
    (tmp_path / "b").mkdir()
    tracemalloc.start()
    try:
        assemble_shard(chunks, 0, 1, tmp_path / "b", 1, 50_000)
        assert tracemalloc.get_traced_memory()[1] < assembling_memory_bytes(50_000) + BUFFER_BYTES + (1 << 20)
    finally:
        tracemalloc.stop()
