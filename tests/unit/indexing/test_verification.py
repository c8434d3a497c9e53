import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import indexing
from index_format.errors import ManifestError, TokenizerError
from index_format.layout import (
    METADATA,
    METAOFF,
    OFFSET,
    SHARD_MANIFEST,
    TABLE,
    TOKENIZED,
    TOKENIZER_FILE,
    UNIGRAM,
    shard_folder,
)
from index_format.manifest import FileEntry, IndexManifest, ShardManifest, index_id_of
from index_format.tokenizer import ByteTokenizer
from indexing.errors import PlanError, VerificationError
from suffix_engine import sort_shard
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = ["the cat sat", "the mat sat on the cat", "a cat"]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return write_index(tmp_path / "index", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS))


def shard_file(directory: Path, name: str) -> Path:
    return directory / shard_folder(0) / name


def change(path: Path, edit: Callable[[bytes], bytes]) -> None:
    path.write_bytes(edit(path.read_bytes()))


def publish_again(directory: Path) -> None:
    """Writes manifests that agree with the files as they are now: what is then found is wrong in the content."""
    shards = []
    for number in range(2):
        folder = directory / shard_folder(number)
        shard = ShardManifest.load(folder)
        entries = {}
        for name in shard.files:
            content = (folder / name).read_bytes()
            entries[name] = FileEntry(len(content), hashlib.sha256(content).hexdigest())
        shards.append(replace(shard, files=entries))
        shards[-1].save(folder)
    replace(IndexManifest.load(directory), index_id=index_id_of(shards)).save(directory)


def test_a_good_index_passes_and_gives_its_manifest(directory: Path) -> None:
    assert indexing.verify(directory, deep=True).manifest == IndexManifest.load(directory)


@pytest.mark.parametrize("name", [TOKENIZED, TABLE, METADATA, METAOFF, UNIGRAM])
def test_a_flipped_bit_in_any_file_is_found_by_its_checksum(directory: Path, name: str) -> None:
    change(shard_file(directory, name), lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(VerificationError, match=rf"{name}: content has sha256 .* was published"):
        indexing.verify(directory, deep=True)


def test_a_file_of_another_size_is_found(directory: Path) -> None:
    change(shard_file(directory, TABLE), lambda content: content[:-1])
    with pytest.raises(ManifestError, match=r"table\.0: file has \d+ bytes, \d+ were published"):
        indexing.verify(directory, deep=True)


def test_a_table_that_is_not_sorted_is_found(directory: Path) -> None:
    change(shard_file(directory, TABLE), lambda content: content[1:2] + content[:1] + content[2:])
    publish_again(directory)
    with pytest.raises(VerificationError, match=r"table\.0"):
        indexing.verify(directory, deep=True)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda content: content.replace(b"{", b"[", 1), r"metadata\.0:1: not valid JSON"),
        (
            lambda content: b"[" + b" " * (content.index(b"\n") - 2) + b"]" + content[content.index(b"\n") :],
            "found list",
        ),
        (lambda content: content.replace(b"\n", b" ", 1), r"metadata\.0:1: not valid JSON"),
        (lambda content: content.replace(b" ", b"\n", 1), r"metadata\.0:1: not valid JSON"),
    ],
    ids=["broken", "list", "joined", "split"],
)
def test_metadata_that_is_not_one_object_a_line_is_found(
    directory: Path, edit: Callable[[bytes], bytes], message: str
) -> None:
    change(shard_file(directory, METADATA), edit)
    publish_again(directory)
    with pytest.raises(VerificationError, match=message):
        indexing.verify(directory, deep=True)


def test_a_start_of_metadata_that_is_none_is_found(directory: Path) -> None:
    change(shard_file(directory, METAOFF), lambda content: content[:8] + bytes([content[8] + 1]) + content[9:])
    publish_again(directory)
    with pytest.raises(
        VerificationError, match=r"metadata\.0:2: a line starts at byte \d+, which metaoff\.0 does not say"
    ):
        indexing.verify(directory, deep=True)


def test_another_tokenizer_is_found(directory: Path) -> None:
    (directory / TOKENIZER_FILE).write_bytes(byte_level_tokenizer(["something else"]).content)
    with pytest.raises(TokenizerError, match="the index was built with"):
        indexing.verify(directory, deep=True)


def test_shards_of_another_index_are_found(directory: Path) -> None:
    manifest = IndexManifest.load(directory)
    replace(manifest, index_id="0" * 16).save(directory)
    with pytest.raises(ManifestError, match="the shards give the index id"):
        indexing.verify(directory, deep=True)


def test_a_vocabulary_of_another_size_is_found(directory: Path) -> None:
    replace(IndexManifest.load(directory), vocab_size=7).save(directory)
    with pytest.raises(ManifestError, match="the manifest says 7"):
        indexing.verify(directory, deep=True)


def test_counts_that_the_files_do_not_hold_are_found(directory: Path) -> None:
    path = shard_file(directory, SHARD_MANIFEST)
    wrong = json.loads(path.read_text())
    wrong["num_documents"] += 1
    path.write_text(json.dumps(wrong))
    shards = [ShardManifest.load(directory / shard_folder(number)) for number in range(2)]
    manifest = IndexManifest.load(directory)
    replace(manifest, index_id=index_id_of(shards), num_documents=manifest.num_documents + 1).save(directory)
    with pytest.raises(VerificationError, match=r"files hold .* tokens in 2 documents, the manifest says .* in 3"):
        indexing.verify(directory, deep=True)


def test_a_blank_unigram_line_is_passed_over(directory: Path) -> None:
    change(shard_file(directory, UNIGRAM), lambda content: content + b"\n")
    publish_again(directory)
    indexing.verify(directory, deep=True)


def test_a_unigram_line_of_one_number_counts_the_token_of_its_line(tmp_path: Path) -> None:
    # The oldest indexes: the count of every token id a line, also of those that do not occur. Byte 32 occurs 300 times.
    directory = write_index(tmp_path / "index", [["a" + " " * 300], ["b"]], ByteTokenizer())
    for number in range(2):
        change(directory / shard_folder(number) / UNIGRAM, counts_by_line)
    publish_again(directory)
    indexing.verify(directory, deep=True)


def counts_by_line(content: bytes) -> bytes:
    counts = {int(token_id): int(count) for token_id, count in (line.split() for line in content.splitlines())}
    return b"".join(b"%d\n" % counts.get(token_id, 0) for token_id in range(256))


def test_a_token_outside_the_vocabulary_is_found(directory: Path) -> None:
    manifest = IndexManifest.load(directory)
    vocab_size = manifest.vocab_size
    folder = directory / shard_folder(1)
    tokens = np.fromfile(folder / TOKENIZED, dtype=f"<u{manifest.token_width}")
    tokens[-1] = vocab_size
    tokens.tofile(folder / TOKENIZED)
    sort_shard(folder, token_width=manifest.token_width, num_threads=1)
    counts = sorted(Counter(tokens.tolist()).items())
    (folder / UNIGRAM).write_text("".join(f"{token_id} {count}\n" for token_id, count in counts))
    publish_again(directory)
    with pytest.raises(
        VerificationError, match=rf"token id {vocab_size} occurs, the vocabulary has {vocab_size} entries"
    ):
        indexing.verify(directory, deep=True)


def test_more_threads_than_any_machine_has_are_refused(directory: Path) -> None:
    with pytest.raises(PlanError, match=r"1025 threads, expected 0 \(one a core\) to 1024"):
        indexing.verify(directory, threads=1025)


def test_without_deep_only_what_was_published_is_compared(directory: Path) -> None:
    change(shard_file(directory, TABLE), lambda content: content[1:2] + content[:1] + content[2:])
    with pytest.raises(VerificationError, match=r"table\.0: content has sha256"):
        indexing.verify(directory)
    publish_again(directory)
    report = indexing.verify(directory)
    assert [kind.kind for kind in report.looked_at] == ["shards", "metadata lines", "checksums of files"]
    with pytest.raises(VerificationError, match=r"table\.0"):
        indexing.verify(directory, deep=True)


def test_all_problems_are_listed_not_only_the_first(directory: Path) -> None:
    change(directory / shard_folder(1) / TABLE, lambda content: content[:-1])
    change(shard_file(directory, METADATA), lambda content: content.replace(b"{", b"[", 1))
    shard_file(directory, OFFSET).unlink()
    (directory / TOKENIZER_FILE).write_bytes(b"{}")
    report = indexing.find_problems(directory, deep=True)
    found = [str(problem) for problem in report.problems]
    assert len(found) == 4
    for message, problem in zip(
        [r"offset\.0: file is missing", r"table\.0: file has", r"tokenizer\.json", r"metadata\.0: content has sha256"],
        found,
        strict=True,
    ):
        assert re.search(message, problem), (message, problem)
    with pytest.raises(VerificationError, match=r"4 problems:\n  .*offset"):
        report.raise_problems()


def test_the_search_ends_after_so_many_problems(directory: Path) -> None:
    for name in (TOKENIZED, TABLE, METADATA, METAOFF, UNIGRAM):
        change(shard_file(directory, name), lambda content: content[:-1] + bytes([content[-1] ^ 1]))
    report = indexing.find_problems(directory, deep=True, max_problems=3)
    assert len(report.problems) == 3
    assert report.is_cut_off
    assert not indexing.find_problems(directory, deep=True).is_cut_off


def test_damage_is_found_in_each_of_several_shards(directory: Path) -> None:
    for number in range(2):
        path = directory / shard_folder(number) / TABLE
        change(path, lambda content: content[1:2] + content[:1] + content[2:])
    publish_again(directory)
    report = indexing.find_problems(directory, threads=2, deep=True)
    assert {f"shard_{number:05d}" in str(problem) for problem in report.problems for number in range(2)} == {
        True,
        False,
    }
    assert any("shard_00001" in str(problem) for problem in report.problems)


def test_a_sample_says_what_it_looked_at_and_finds_damage_where_it_looks(directory: Path) -> None:
    report = indexing.verify(directory, deep=True, sample=0.5, seed=3)
    assert (report.sample, report.seed) == (0.5, 3)
    kinds = {kind.kind: kind for kind in report.looked_at}
    assert list(kinds)[-4:] == ["documents", "unigram counts", "ranks", "positions"]
    assert kinds["checksums of files"].is_everything  # they are small
    positions = kinds["positions"]
    assert positions.looked_at == pytest.approx(positions.total / 2, abs=2)
    assert 0 < positions.missed(0.01) < 1
    change(shard_file(directory, TABLE), lambda content: content[::-1])
    publish_again(directory)
    assert indexing.find_problems(directory, deep=True, sample=0.5).problems


@pytest.mark.parametrize("sample", [0, 1, -0.5, float("nan")])
def test_a_sample_that_is_no_share_is_refused(directory: Path, sample: float) -> None:
    with pytest.raises(PlanError, match="expected a share above 0 and below 1"):
        indexing.verify(directory, deep=True, sample=sample)


def test_a_sample_is_of_a_deep_check(directory: Path) -> None:
    with pytest.raises(PlanError, match="ask for one"):
        indexing.verify(directory, sample=0.5)
