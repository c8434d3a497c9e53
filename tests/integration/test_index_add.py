"""``add`` against builds of the same documents, served while at work, and interrupted."""

import os
import shutil
from pathlib import Path

import pytest

import headwater
import indexing
from index_format.errors import IndexNotFoundError
from index_format.layout import BUILD_FILE, CORE_FILES, INDEX_MANIFEST, SIDECARS, shard_folder
from index_format.manifest import IndexManifest
from index_format.removed_documents import load_removed
from index_format.tokenizer import JsonTokenizer
from indexing.errors import EmptyCorpusError, EngineKilledError, UnfinishedBuildError
from indexing.living import add
from indexing.living.add import add_documents
from indexing.living.compact import compact
from indexing.living.import_ import import_index
from indexing.living.merge_shards import merge_shards
from indexing.living.remove import remove_documents
from indexing.living.rewriting import Effort
from indexing.plan import BuildPlan, TokenizerFile
from suffix_engine import ShardIndex, ThreadPool
from tests.integration.index_builds import make_texts, plan_of, write_corpus
from tests.integration.test_index_rewrite import content, fail_at
from tests.tiny_index import byte_level_tokenizer, write_shard

OLD, NEW = make_texts(30, seed=1), make_texts(20, seed=2)
FILES = (*CORE_FILES, *SIDECARS)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A folder with the corpus of the index and the one that is added, in this order."""
    write_corpus(tmp_path / "corpus" / "1.jsonl", OLD)
    write_corpus(tmp_path / "corpus" / "2.jsonl", NEW)
    return tmp_path / "corpus"


@pytest.fixture
def tokenizer(tmp_path: Path) -> TokenizerFile:
    path = tmp_path / "tokenizer.json"
    path.write_bytes(byte_level_tokenizer(OLD).content)
    return TokenizerFile(path)


@pytest.fixture
def index(corpus: Path, tokenizer: TokenizerFile, tmp_path: Path) -> Path:
    indexing.build(plan_of(corpus / "1.jsonl", tmp_path / "index", 2, tokenizer))
    return tmp_path / "index"


def addition(index: Path, corpus: Path, shards: int = 1) -> BuildPlan:
    return BuildPlan(
        sources=(corpus / "2.jsonl",), output=index, tokenizer=add.tokenizer_choice_of(index), shards=shards, threads=1
    )


def test_added_documents_are_in_new_shards_and_the_old_ones_are_untouched(
    index: Path, corpus: Path, tokenizer: TokenizerFile, tmp_path: Path
) -> None:
    before = content(index)
    old = IndexManifest.load(index)
    report = add_documents(addition(index, corpus, 2))
    after = content(index)
    assert {path: after[path] for path in before} == before
    assert sorted(after.keys() - before.keys()) == sorted(
        f"{shard_folder(shard)}/{name}" for shard in (2, 3) for name in (*FILES, "shard.json")
    )
    indexing.build(plan_of(corpus / "2.jsonl", tmp_path / "alone", 2, tokenizer))
    alone = content(tmp_path / "alone")
    for shard in range(2):
        for name in FILES:
            assert after[f"{shard_folder(2 + shard)}/{name}"] == alone[f"{shard_folder(shard)}/{name}"]
    manifest = IndexManifest.load(index)
    assert manifest == report.manifest
    assert (manifest.generation, manifest.dealing, manifest.num_shards) == (1, (2, 2), 4)
    assert manifest.index_id != old.index_id
    assert (manifest.tokenizer_sha256, manifest.stage) == (old.tokenizer_sha256, old.stage)
    assert manifest.num_documents == old.num_documents + report.corpus.num_documents
    assert report.new_shards == range(2, 4)
    manifest.load_shards(index)
    assert not [path for path in index.iterdir() if path.name.startswith(("build", "work"))]


def test_merged_after_an_addition_it_is_the_build_of_both_corpora(
    index: Path, corpus: Path, tokenizer: TokenizerFile, tmp_path: Path
) -> None:
    # A corpus of one file names it alone, one of a folder relative to the folder: the same here.
    add_documents(addition(index, corpus))
    merge_shards(index, tmp_path / "merged", 3, effort=Effort(threads=1))
    indexing.build(plan_of(corpus, tmp_path / "both", 3, tokenizer))
    assert content(tmp_path / "merged") == content(tmp_path / "both")


def test_an_index_is_searched_while_documents_are_added_and_finds_them_afterwards(index: Path, corpus: Path) -> None:
    text = NEW[0][:40]
    with headwater.open(index) as opened:
        before = opened.count(text).count
        add_documents(addition(index, corpus))
        assert opened.count(text).count == before
    with headwater.open(index) as opened:
        assert opened.count(text).count > before


def test_a_copy_of_links_is_changed_without_the_original(index: Path, corpus: Path, tmp_path: Path) -> None:
    before = content(index) | {INDEX_MANIFEST: (index / INDEX_MANIFEST).read_bytes()}
    shutil.copytree(index, tmp_path / "links", copy_function=os.link)
    remove_documents(tmp_path / "links", ids=["0:0"])
    add_documents(addition(tmp_path / "links", corpus))
    indexing.accelerate(tmp_path / "links", force=True)
    assert content(index) | {INDEX_MANIFEST: (index / INDEX_MANIFEST).read_bytes()} == before
    assert IndexManifest.load(tmp_path / "links").generation == 2


def test_marks_of_removed_documents_stay(index: Path, corpus: Path, tmp_path: Path) -> None:
    remove_documents(index, ids=["0:1", "1:2"])
    add_documents(addition(index, corpus))
    manifest = IndexManifest.load(index)
    removed = load_removed(index, manifest, manifest.load_shards(index))
    assert [numbers.tolist() for numbers in removed] == [[1], [2], []]
    assert len(list(index.glob("removed_*"))) == 1
    remove_documents(index, ids=["2:0"])
    report = compact(index, tmp_path / "new", effort=Effort(threads=1))
    assert report.left_out == 3


@pytest.mark.parametrize("call", [0, 1])
def test_an_addition_that_was_killed_goes_on_and_the_index_is_whole_meanwhile(
    call: int, index: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shutil.copytree(index, tmp_path / "whole")
    add_documents(addition(whole, corpus, 2))
    before = IndexManifest.load(index)
    with monkeypatch.context() as patch:
        fail_at(patch, call, "sort")
        with pytest.raises(EngineKilledError):
            add_documents(addition(index, corpus, 2))
    assert IndexManifest.load(index) == before
    with headwater.open(index) as opened:
        assert opened.count("the").count > 0
    with pytest.raises(UnfinishedBuildError, match="shards: 2 there, 1 asked for") as refused:
        add_documents(addition(index, corpus, 1))
    assert "remove" not in str(refused.value), "the folder is that of an index"
    remove_documents(index, ids=["0:0"])
    remove_documents(index, undo=True)
    add_documents(addition(index, corpus, 2))
    assert content(index) == content(whole)
    assert IndexManifest.load(index).generation == 3


def test_an_addition_that_ended_after_it_was_published_is_not_done_twice(
    index: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(add, "_report", end)
        with pytest.raises(KeyboardInterrupt):
            add_documents(addition(index, corpus))
    assert (index / BUILD_FILE).exists()
    published = (index / INDEX_MANIFEST).read_bytes()
    report = add_documents(addition(index, corpus))
    assert report.was_published
    assert report.new_shards == range(2, 3)
    assert (index / INDEX_MANIFEST).read_bytes() == published
    assert not (index / BUILD_FILE).exists()
    assert add_documents(addition(index, corpus)).manifest.num_shards == 4


def test_an_unfinished_addition_is_given_up_with_fresh(
    index: Path, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        fail_at(patch, 0, "sort")
        with pytest.raises(EngineKilledError):
            add_documents(addition(index, corpus, 3))
    old = content(index)
    plan = addition(index, corpus, 1)
    report = add_documents(BuildPlan(sources=plan.sources, output=index, tokenizer=plan.tokenizer, fresh=True))
    assert report.manifest.num_shards == 3
    assert not (index / shard_folder(3)).exists()
    new = content(index)
    kept = [path for path in old if path.startswith((shard_folder(0), shard_folder(1), "tokenizer"))]
    assert len(kept) == 2 * len((*FILES, "shard.json")) + 1
    assert all(new[path] == old[path] for path in kept)


def test_what_cannot_be_added_leaves_the_index_as_it_is(index: Path, corpus: Path, tmp_path: Path) -> None:
    before = content(index)
    empty = write_corpus(tmp_path / "empty.jsonl", ["", ""])
    with pytest.raises(EmptyCorpusError):
        add_documents(BuildPlan(sources=(empty,), output=index, tokenizer=add.tokenizer_choice_of(index)))
    assert content(index) == before
    assert not [path for path in index.iterdir() if path.name.startswith(("build", "work"))]
    with pytest.raises(IndexNotFoundError):
        add.tokenizer_choice_of(tmp_path)


def test_tokens_are_as_wide_as_those_of_the_index(corpus: Path, tokenizer: TokenizerFile, tmp_path: Path) -> None:
    ids = [token_ids.tolist() for token_ids in byte_level_tokenizer(OLD).encode_batch(OLD)]
    write_shard(tmp_path / "theirs", ids, 4, [{"path": "old", "linenum": number} for number in range(len(ids))])
    import_index([tmp_path / "theirs"], tmp_path / "index", tokenizer.path, threads=1)
    indexing.accelerate(tmp_path / "index")
    manifest = add_documents(addition(tmp_path / "index", corpus)).manifest
    assert (manifest.token_width, manifest.num_shards) == (4, 2)
    for shard in manifest.load_shards(tmp_path / "index"):
        folder = tmp_path / "index" / shard_folder(shard.shard)
        ShardIndex.open(folder, token_width=4, pool=ThreadPool(1)).verify()
    with headwater.open(tmp_path / "index") as opened:
        assert opened.document("default:1:0", max_tokens=1000).text == NEW[0]


def test_the_tokenizer_of_the_index_is_used(index: Path, corpus: Path) -> None:
    plan = BuildPlan(sources=(corpus / "2.jsonl",), output=index, tokenizer=indexing.RawBytes())
    manifest = add_documents(plan).manifest
    assert manifest.token_width == 2
    assert manifest.tokenizer_sha256 == JsonTokenizer.from_file(index / "tokenizer.json").sha256
