import json
import os
from pathlib import Path

import numpy as np
import pytest

import indexing.chunk_writer
import indexing.tokenizing_task
from index_format.tokenizer import JsonTokenizer
from indexing.chunks import LINES, STARTS, TEXT, Chunk, SourceCounts, sum_of_sources
from indexing.documents import DocumentFields
from indexing.errors import BadDocumentError
from indexing.sources import find_corpus
from indexing.splits import Split, splits_of
from indexing.tokenizing_task import Tokenizing, tokenize_split
from tests.tiny_index import byte_level_tokenizer
from tests.unit.indexing.reading import json_lines

RAW = Tokenizing(None, 1, 1, DocumentFields("text", None))
SKIPPING = Tokenizing(None, 1, 1, DocumentFields("text", None), skip_bad_lines=True)


def split_of(folder: Path, **files: bytes) -> Split:
    folder.mkdir()
    for name, content in files.items():
        (folder / f"{name}.jsonl").write_bytes(content)
    (split,) = splits_of(find_corpus([folder]))
    return split


def test_a_chunk_says_what_it_holds_of_each_file(tmp_path: Path) -> None:
    first = json_lines({"text": "ab"}, {"text": ""}) + b"bad\n" + json_lines({"text": "\u00e9"})
    split = split_of(tmp_path / "corpus", a=first, b=b"", c=json_lines({"text": "x"}) + b"1\n2\n3\n4\n")
    read: list[int] = []
    chunk = tokenize_split(split, SKIPPING, tmp_path / "chunk", read.append)
    assert chunk.sources == (
        SourceCounts("a.jsonl", 2, 6, 4, 1, 1),
        SourceCounts("b.jsonl", 0, 0, 0, 0, 0),
        SourceCounts("c.jsonl", 1, 2, 1, 0, 4),
    )
    assert (chunk.num_documents, chunk.num_tokens, chunk.text_bytes) == (3, 8, 5)
    assert (chunk.skipped_empty, chunk.skipped_bad) == (1, 5)
    assert [example.split(": ")[0].rsplit("/", 1)[1] for example in chunk.bad_examples] == [
        "a.jsonl:3",
        "c.jsonl:2",
        "c.jsonl:3",
    ]
    assert sum(read) == split.size_bytes
    assert Chunk.load(tmp_path / "chunk") == chunk
    assert sum_of_sources([chunk, chunk])[0] == SourceCounts("a.jsonl", 4, 12, 8, 2, 2)


def test_the_files_of_a_chunk_are_laid_out_in_groups(tmp_path: Path) -> None:
    split = split_of(tmp_path / "corpus", a=json_lines(*({"text": letter} for letter in "abcde")))
    chunk = tokenize_split(split, Tokenizing(None, 1, 2, RAW.fields), tmp_path / "chunk")
    assert (tmp_path / "chunk" / TEXT).read_bytes() == b"\xffa\xffc\xffe\xffb\xffd"
    assert np.fromfile(tmp_path / "chunk" / STARTS, dtype=np.uint64).tolist() == [0, 2, 4, 6, 8]
    lines = [json.loads(line)["linenum"] for line in (tmp_path / "chunk" / LINES).read_text().splitlines()]
    assert lines == [0, 2, 4, 1, 3]
    assert [chunk.group(number) for number in range(2)] == [range(3), range(3, 5)]
    assert sorted(path.name for path in (tmp_path / "chunk").iterdir()) == [
        "chunk.json",
        "line_starts",
        "lines",
        "starts",
        "text",
    ]


def test_a_bad_line_ends_the_task_and_leaves_the_chunk_unfinished(tmp_path: Path) -> None:
    split = split_of(tmp_path / "corpus", a=json_lines({"text": "ab"}) + b"bad\n")
    with pytest.raises(BadDocumentError, match=r"a\.jsonl:2: not valid JSON"):
        tokenize_split(split, RAW, tmp_path / "chunk")
    assert Chunk.load(tmp_path / "chunk") is None
    assert tokenize_split(split, SKIPPING, tmp_path / "chunk").num_documents == 1


def test_a_finished_chunk_is_not_made_again(tmp_path: Path) -> None:
    split = split_of(tmp_path / "corpus", a=json_lines({"text": "ab"}))
    chunk = tokenize_split(split, RAW, tmp_path / "chunk")
    (tmp_path / "corpus" / "a.jsonl").unlink()
    read: list[int] = []
    assert tokenize_split(split, RAW, tmp_path / "chunk", read.append) == chunk
    assert read == [split.size_bytes]


@pytest.mark.parametrize("name", ["text", "starts", "lines", "line_starts", "chunk.json"])
def test_a_chunk_with_a_file_missing_or_cut_is_made_again(tmp_path: Path, name: str) -> None:
    split = split_of(tmp_path / "corpus", a=json_lines({"text": "ab"}))
    chunk = tokenize_split(split, RAW, tmp_path / "chunk")
    content = (tmp_path / "chunk" / name).read_bytes()
    (tmp_path / "chunk" / name).unlink()
    assert tokenize_split(split, RAW, tmp_path / "chunk") == chunk
    assert (tmp_path / "chunk" / name).read_bytes() == content
    if name != "chunk.json":
        (tmp_path / "chunk" / name).write_bytes(content[:-1])
        assert Chunk.load(tmp_path / "chunk") is None


def test_no_documents_make_an_empty_chunk(tmp_path: Path) -> None:
    split = split_of(tmp_path / "corpus", a=b"\n\n")
    for shards in (1, 3):
        chunk = tokenize_split(split, Tokenizing(None, 1, shards, RAW.fields), tmp_path / str(shards))
        assert (chunk.num_documents, chunk.num_tokens) == (0, 0)
        assert Chunk.load(tmp_path / str(shards)) == chunk


def test_tokens_and_text_are_counted_with_their_tokenizer(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    np.save(tmp_path / "corpus" / "a.npy", np.array([[70, 71, 300], [72, 72, 72]]))
    tokenizer = byte_level_tokenizer(["the the the the"], 301)
    (tmp_path / "tokenizer.json").write_bytes(tokenizer.content)
    (split,) = splits_of(find_corpus([tmp_path / "corpus"]))
    how = Tokenizing(tmp_path / "tokenizer.json", 2, 1, DocumentFields("text", None, end_of_ids=65535))
    size = tokenizer.vocabulary.size
    with pytest.raises(IndexError):
        tokenize_split(split, how, tmp_path / "chunk")
    assert size < 300
    np.save(tmp_path / "corpus" / "a.npy", np.array([[70, 71, size - 1], [72, 72, 72]]))
    (split,) = splits_of(find_corpus([tmp_path / "corpus"]))
    chunk = tokenize_split(split, how, tmp_path / "chunk")
    assert chunk.num_tokens == 8
    assert chunk.text_bytes == 5 + len(tokenizer.vocabulary.pieces[size - 1])


def test_a_worker_among_others_encodes_on_one_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    split = split_of(tmp_path / "corpus", a=json_lines({"text": "ab"}))
    tokenize_split(split, Tokenizing(None, 1, 1, RAW.fields, one_core=True), tmp_path / "chunk")
    assert os.environ["TOKENIZERS_PARALLELISM"] == "false"


def test_batches_end_once_they_are_long_enough_or_many_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(indexing.tokenizing_task, "_BATCH_CHARACTERS", 10)
    monkeypatch.setattr(indexing.tokenizing_task, "_BATCH_DOCUMENTS", 3)
    lengths = (5, 5, 1, 1, 1, 20, 1)
    split = split_of(tmp_path / "corpus", a=json_lines(*({"text": "x" * length} for length in lengths)))
    reading = indexing.tokenizing_task._Reading(split, RAW, lambda size: None)
    found = [[len(document.text) for _, document in batch] for batch in reading.batches()]
    assert found == [[5, 5], [1, 1, 1], [20], [1]]


def test_a_tokenizer_is_loaded_once_for_many_splits_and_again_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path] = []
    from_file = JsonTokenizer.from_file
    monkeypatch.setattr(JsonTokenizer, "from_file", lambda path: (loaded.append(path), from_file(path))[1])
    path = tmp_path / "tokenizer.json"
    path.write_bytes(byte_level_tokenizer(["a"]).content)
    split = split_of(tmp_path / "corpus", a=json_lines({"text": "ab"}))
    how = Tokenizing(path, 2, 1, RAW.fields)
    for number in range(3):
        tokenize_split(split, how, tmp_path / str(number))
    assert loaded == [path]
    path.write_bytes(byte_level_tokenizer(["bbb bbb"]).content)
    tokenize_split(split, how, tmp_path / "another")
    assert loaded == [path, path]
