import json
from pathlib import Path

import numpy as np
import pytest

from bench.shard_writer import ShardWriter
from index_format.layout import METADATA, METAOFF, OFFSET, TOKENIZED, UNIGRAM
from tests import tiny_index

DOCUMENTS = [[5, 6, 5], [0], [253, 5]]


def write(
    directory: Path, width: int, documents: list[list[int]], metadata: list[str], most_uncounted: int = 1000
) -> None:
    with ShardWriter(directory, token_width=width, vocab_size=254, most_uncounted=most_uncounted) as writer:
        for token_ids, line in zip(documents, metadata, strict=True):
            writer.write(np.array(token_ids, dtype=np.uint32), line)
        writer.finish()
    assert writer.num_documents == len(documents)
    assert writer.num_tokens == sum(len(document) + 1 for document in documents)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_core_files_are_those_written_by_hand(tmp_path: Path, width: int) -> None:
    ours, by_hand = tmp_path / "ours", tmp_path / "by_hand"
    ours.mkdir()
    lines = [json.dumps({"n": n, "title": "é" * n}) for n in range(len(DOCUMENTS))]
    write(ours, width, DOCUMENTS, lines)
    tiny_index.write_shard(by_hand, DOCUMENTS, width, [json.loads(line) for line in lines], sort=False)
    for name in (TOKENIZED, OFFSET, METADATA, METAOFF, UNIGRAM):
        assert (ours / name).read_bytes() == (by_hand / name).read_bytes(), name


@pytest.mark.parametrize("most_uncounted", [1, 4, 1000])
def test_unigrams_are_lines_of_id_and_count_with_the_separator_last(tmp_path: Path, most_uncounted: int) -> None:
    write(tmp_path, 2, DOCUMENTS, ["{}"] * 3, most_uncounted)
    assert (tmp_path / UNIGRAM).read_text() == "0 1\n5 3\n6 1\n253 1\n65535 3\n"


def test_files_are_closed_when_writing_ends_in_an_error(tmp_path: Path, leaves_nothing_behind: None) -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        ShardWriter(tmp_path, token_width=2, vocab_size=254, most_uncounted=9) as writer,
    ):
        writer.write(np.array([1], dtype=np.uint32), "{}")
        raise KeyboardInterrupt


def test_counting_many_tokens_at_once_or_few_gives_the_same(tmp_path: Path) -> None:
    documents = [[number % 250] * (number + 1) for number in range(100)]
    for most_uncounted in (10, 300, 100_000):
        (tmp_path / str(most_uncounted)).mkdir()
        write(tmp_path / str(most_uncounted), 2, documents, ["{}"] * 100, most_uncounted)
    files = [(tmp_path / str(most_uncounted) / UNIGRAM).read_bytes() for most_uncounted in (10, 300, 100_000)]
    assert files == [files[0]] * 3
