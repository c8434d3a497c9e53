"""The parity bench sees every kind of difference, and sees none where both engines agree."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from bench import parity
from bench.errors import BenchError
from bench.options import BenchOptions
from bench.our_search import FoundSpans
from bench.parity import Expected, compare_spans
from bench.searched_index import searched_index
from coordinator.values import MaximalSpan
from index_format.layout import TOKENIZER_FILE, shard_folder
from tests.tiny_index import byte_level_tokenizer, write_index

FIRST = MaximalSpan(0, 3, 5, (), -20.0)
SECOND = MaximalSpan(2, 6, 1, (), -30.0)
FOUND = FoundSpans(8, [FIRST, SECOND], [SECOND])
EXPECTED = Expected(8, {(0, 3, 5): -20.0, (2, 6, 1): -30.0000004}, [(2, 6)])


def test_equal_spans_have_no_difference() -> None:
    assert compare_spans(FOUND, EXPECTED) == []


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (FoundSpans(8, [SECOND], [SECOND]), r"span \(0, 3, 5\) is missing"),
        (FoundSpans(8, [FIRST, SECOND, MaximalSpan(5, 8, 1, (), -1.0)], [SECOND]), "not in the reference"),
        (FoundSpans(8, [MaximalSpan(0, 3, 4, (), -20.0), SECOND], [SECOND]), r"span \(0, 3, 5\) is missing"),
        (FoundSpans(8, [MaximalSpan(0, 3, 5, (), -20.1), SECOND], [SECOND]), "unigram sum"),
        (FoundSpans(8, [FIRST, SECOND], [FIRST]), "kept"),
        (FoundSpans(9, [FIRST, SECOND], [SECOND]), "9 tokens, the reference 8"),
    ],
)
def test_every_kind_of_difference_is_seen(found: FoundSpans, message: str) -> None:
    assert any(re.search(message, line) for line in compare_spans(found, EXPECTED))


TEXTS = ("the river runs past the mill.\n", "the mill grinds the corn by the river.", "a café by the river")


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Not `tmp_path`: infini-gram tells files apart by words in the path, which holds the test's name.
    return write_index(tmp_path_factory.mktemp("index"), [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS))


def options(index: Path, conversations: Path, tokenizer: Path | None = None) -> BenchOptions:
    return BenchOptions(index, conversations, tokenizer, passes=1, remote=False)


def test_live_parity_on_an_index_of_two_shards_and_on_a_bare_folder(directory: Path, tmp_path: Path) -> None:
    pytest.importorskip("infini_gram", reason="needs infini-gram: install the project with its 'bench' extra")
    conversations = tmp_path / "conversations.jsonl"
    record = {"id": "one", "prompt": "?", "response": "By the mill the river runs past the café. The corn"}
    conversations.write_text(json.dumps(record) + "\n")
    whole = parity.run(options(directory, conversations), Console(quiet=True))
    bare = options(directory / shard_folder(0), conversations, directory / TOKENIZER_FILE)
    for report in (whole, parity.run(bare, Console(quiet=True))):
        assert report.failures == []
        assert report.figures["differences"] == 0
        assert report.figures["spans_checked"] > 0


def test_a_folder_without_an_index_and_a_bare_one_without_its_tokenizer_are_refused(
    directory: Path, tmp_path: Path
) -> None:
    with pytest.raises(BenchError, match="no index in either layout"):
        searched_index(tmp_path, None)
    with pytest.raises(BenchError, match="--tokenizer"):
        searched_index(directory / shard_folder(0), None)


def test_an_index_without_conversations_is_refused(directory: Path) -> None:
    given = BenchOptions(directory, None, None, passes=1, remote=False)
    with pytest.raises(BenchError, match="belong together"):
        parity.run(given, Console(quiet=True))
