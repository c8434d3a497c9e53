"""Whole builds: what is in the index is the corpus, whatever it came as and however it is split."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

import indexing
from index_format.layout import CORE_FILES, shard_folder
from index_format.manifest import IndexManifest
from index_format.tokenizer import JsonTokenizer, Tokenizer, open_tokenizer
from indexing import TokenizerFile, TrainedTokenizer
from indexing.errors import EmptyCorpusError, PlanError
from indexing.plan import BuildPlan, RawBytes
from suffix_engine import ShardIndex, ThreadPool
from tests.integration.index_builds import ReportKeeper, make_texts, plan_of, run_index_command, write_corpus
from tests.unit.indexing.space_marked import json_tokenizer, parsed_tokenizer

TEXTS = make_texts(37)
SEPARATOR = 2**32 - 1


def open_shards(directory: Path) -> tuple[Tokenizer, list[ShardIndex]]:
    manifest = IndexManifest.load(directory)
    manifest.load_shards(directory)
    pool = ThreadPool(1)
    shards = [
        ShardIndex.open(directory / shard_folder(number), token_width=manifest.token_width, pool=pool)
        for number in range(manifest.num_shards)
    ]
    return open_tokenizer(directory, manifest), shards


def documents_of(shard: ShardIndex) -> list[list[int]]:
    tokens = np.frombuffer(shard.tokens(0, shard.num_tokens), dtype=np.uint32)
    starts = np.flatnonzero(tokens == SEPARATOR)
    return [part[1:].tolist() for part in np.split(tokens, starts[1:])]


def metadata_of(shard: ShardIndex) -> list[dict[str, object]]:
    return [json.loads(shard.metadata(document)) for document in range(shard.num_documents)]


@pytest.mark.parametrize("num_shards", [1, 3])
def test_documents_go_to_shards_in_turn_with_their_tokens_and_metadata(tmp_path: Path, num_shards: int) -> None:
    source = write_corpus(tmp_path / "a.jsonl", TEXTS)
    manifest = indexing.build(plan_of(source, tmp_path / "index", num_shards, TrainedTokenizer(300)))
    assert IndexManifest.load(tmp_path / "index") == manifest
    tokenizer, shards = open_shards(tmp_path / "index")
    token_ids = [ids.tolist() for ids in tokenizer.encode_batch(TEXTS)]
    for number, shard in enumerate(shards):
        assert documents_of(shard) == token_ids[number::num_shards]
        lines = range(number, len(TEXTS), num_shards)
        assert metadata_of(shard) == [
            {"path": "a.jsonl", "linenum": line, "metadata": {"number": line}} for line in lines
        ]
    assert manifest.num_documents == len(TEXTS)
    assert manifest.num_tokens == sum(len(ids) + 1 for ids in token_ids)


def test_every_kind_of_file_gives_the_same_index(tmp_path: Path) -> None:
    lines = write_corpus(tmp_path / "0" / "a.jsonl", TEXTS).read_bytes()
    for number, (name, content) in enumerate(
        [("a.jsonl.gz", gzip.compress(lines)), ("a.json.zst", zstandard.compress(lines))], 1
    ):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / name).write_bytes(content)
    (tmp_path / "3").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS}), tmp_path / "3" / "a.parquet")
    for number, text in enumerate(TEXTS):
        (tmp_path / "4").mkdir(exist_ok=True)
        (tmp_path / "4" / f"{number:03d}.txt").write_text(text)
    found = []
    for number in range(5):
        indexing.build(plan_of(tmp_path / str(number), tmp_path / f"index-{number}"))
        folder = tmp_path / f"index-{number}" / shard_folder(0)
        found.append(
            [(folder / name).read_bytes() for name in CORE_FILES if name.startswith(("tok", "tab", "off", "uni"))]
        )
    assert all(files == found[0] for files in found[1:])


@pytest.mark.parametrize("kind", ["bytes", "byte level", "space marked"])
def test_counts_over_all_shards_are_those_of_the_texts(tmp_path: Path, kind: str) -> None:
    source = write_corpus(tmp_path / "a.jsonl", TEXTS)
    file = tmp_path / "marked.json"
    file.write_bytes(json_tokenizer(parsed_tokenizer()).content)
    choice = {"bytes": RawBytes(), "byte level": TrainedTokenizer(300), "space marked": TokenizerFile(file)}[kind]
    for num_shards in (1, 4):
        directory = tmp_path / f"index-{num_shards}"
        indexing.build(plan_of(source, directory, num_shards, choice))
        tokenizer, shards = open_shards(directory)
        for token_ids in tokenizer.encode_batch(["the cat", "caf\u00e9 and", "end. the", "sat"]):
            query = token_ids.tolist()
            count = sum(end - start for start, end in (shard.find(query) for shard in shards))
            assert count == sum(occurrences(query, ids.tolist()) for ids in tokenizer.encode_batch(TEXTS))
        indexing.verify(directory, deep=True)


def occurrences(query: list[int], document: list[int]) -> int:
    starts = range(len(document) - len(query) + 1)
    return sum(document[start : start + len(query)] == query for start in starts)


def test_building_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", TEXTS)
    first, second = (
        indexing.build(plan_of(source, tmp_path / name, 2, TrainedTokenizer(300))) for name in ("one", "two")
    )
    assert first == second


def test_empty_documents_are_left_out_and_counted(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", ["", "one", "", "two"])
    keeper = ReportKeeper()
    indexing.build(plan_of(source, tmp_path / "index"), keeper)
    _, (shard,) = open_shards(tmp_path / "index")
    assert [line["linenum"] for line in metadata_of(shard)] == [1, 3]
    assert (keeper.report.num_documents, keeper.report.skipped_empty, keeper.report.text_bytes) == (2, 2, 6)


def test_the_report_counts_bad_lines_and_quotes_the_first(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    source.write_bytes(b'{"text": "one"}\nbad\n{"text": 2}\n')
    keeper = ReportKeeper()
    plan = BuildPlan(sources=(source,), output=tmp_path / "index", tokenizer=RawBytes(), skip_bad_lines=True)
    indexing.build(plan, keeper)
    assert keeper.report.skipped_bad == 2
    assert keeper.report.notes[0].startswith(f"skipped {source}:2: not valid JSON")
    assert [stage for stage, _ in keeper.report.stage_seconds] == [
        "read and tokenize",
        "assemble",
        "sort",
        "checksums",
    ]


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_a_corpus_without_a_token_is_refused(tmp_path: Path, texts: list[str]) -> None:
    source = write_corpus(tmp_path / "a.jsonl", texts)
    with pytest.raises(EmptyCorpusError, match=rf"no document with a token to index \({len(texts)} empty documents"):
        indexing.build(plan_of(source, tmp_path / "index"))
    assert not (tmp_path / "index").exists()


def test_fewer_documents_than_shards_are_refused(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", ["one", "", "two"])
    with pytest.raises(PlanError, match="2 documents cannot fill 3 shards; use --shards 2 or fewer"):
        indexing.build(plan_of(source, tmp_path / "index", 3))
    assert not (tmp_path / "index").exists()


def test_a_build_leaves_no_thread_and_no_open_file(tmp_path: Path, leaves_nothing_behind: None) -> None:
    indexing.build(plan_of(write_corpus(tmp_path / "a.jsonl", TEXTS), tmp_path / "index", 2))


def test_the_command_builds_verifies_and_describes(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "corpus" / "a.jsonl", TEXTS)
    directory = tmp_path / "index"
    labels = ["--stage", "pretraining", "--source", "cats"]
    options = ["--shards", "2", "--train-tokenizer", "300", "--metadata-field", "number", "--threads", "1"]
    code, out, err = run_index_command("build", source.parent, "--out", directory, *options, *labels, "--json")
    assert code == 0, err
    summary = json.loads(out)
    assert (summary["num_documents"], summary["skipped_bad"]) == (len(TEXTS), 0)
    assert summary["tokens_per_second"] > 0
    assert "read and tokenize: done in" in err
    code, out, err = run_index_command("verify", directory, "--deep")
    whole = f"{directory}: index {summary['index_id']} is whole: 2 shards, {summary['num_tokens']:,} tokens"
    assert (code, out.splitlines()[0]) == (0, whole), err
    code, out, err = run_index_command("info", directory)
    assert code == 0, err
    assert "pretraining" in out
    assert "shard 1" in out
    code, out, err = run_index_command("info", directory, "--json")
    assert json.loads(out)["shards"][1]["num_documents"] == len(TEXTS) // 2


def test_the_index_of_the_command_is_that_of_the_function(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", TEXTS)
    code, out, err = run_index_command("build", source, "--out", tmp_path / "one", "--raw-bytes")
    assert code == 0, err
    assert f"{len(TEXTS)} in 1 shard (skipped: 0 bad lines, 0 empty documents)" in out
    assert indexing.build(plan_of(source, tmp_path / "two")) == IndexManifest.load(tmp_path / "one")


def test_a_tokenizer_is_copied_into_the_index(tmp_path: Path) -> None:
    source = write_corpus(tmp_path / "a.jsonl", TEXTS)
    tokenizer = json_tokenizer(parsed_tokenizer())
    (tmp_path / "marked.json").write_bytes(tokenizer.content)
    indexing.build(plan_of(source, tmp_path / "index", 1, TokenizerFile(tmp_path / "marked.json")))
    opened, _ = open_shards(tmp_path / "index")
    assert isinstance(opened, JsonTokenizer)
    assert opened.sha256 == tokenizer.sha256
