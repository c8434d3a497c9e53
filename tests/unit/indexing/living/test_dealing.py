import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_format.errors import ManifestError
from index_format.layout import METADATA, METAOFF
from indexing.living.core_writer import CoreWriter
from indexing.living.dealing import deal_documents
from indexing.living.shard_reader import ShardReader
from tests.unit.indexing.living.token_shards import Documents, core_files, write_documents

VOCABULARY = 200


def deal(
    root: Path,
    documents: Documents,
    groups: Sequence[Sequence[Sequence[int]]],
    removed: set[int],
    num_shards: int,
    width: int,
    block_bytes: int,
) -> list[dict[str, bytes]]:
    """Writes shards of the documents numbered in ``groups``, deals them anew, and returns the new core files."""
    with ExitStack() as stack:
        readers = []
        for group in groups:
            readers.append([])
            for numbers in group:
                folder = root / f"shard_{sum(map(len, readers)):05d}"
                manifest = write_documents(folder, documents, numbers, width)
                gone = np.flatnonzero([number in removed for number in numbers]).astype(np.uint64)
                readers[-1].append(stack.enter_context(ShardReader(folder, manifest, gone)))
        folders = [root / f"new_{number}" for number in range(num_shards)]
        for folder in folders:
            folder.mkdir()
        writers = [
            stack.enter_context(CoreWriter(folder, number, token_width=width, vocab_size=VOCABULARY, has_metadata=True))
            for number, folder in enumerate(folders)
        ]
        told: list[int] = []
        kept = deal_documents(readers, writers, told.append, block_bytes)
        written = [writer.finish() for writer in writers]
        sizes = [shard.manifest.files for group in readers for shard in group]
        assert sum(told) == sum(files[name].size_bytes for files in sizes for name in ("tokenized.0", METADATA))
    assert kept == sum(shard.num_documents for shard in written)
    return [core_files(folder) for folder in folders]


@st.composite
def indexes(draw: st.DrawFn) -> tuple[list[list[int]], list[list[list[int]]], set[int]]:
    """Draws documents, the groups of shards they were dealt out to in turn, and those removed."""
    sizes = draw(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 8)), min_size=1, max_size=3))
    groups, number = [], 0
    for shards, extra in sizes:
        numbers = range(number, number + shards + extra)
        groups.append([list(numbers[shard::shards]) for shard in range(shards)])
        number = numbers.stop
    tokens = st.lists(st.integers(0, VOCABULARY - 1), max_size=12)
    documents = draw(st.lists(tokens, min_size=number, max_size=number))
    removed = draw(st.sets(st.integers(0, number - 1), max_size=number - 1))
    return documents, groups, removed


@given(
    index=indexes(),
    num_shards=st.integers(1, 4),
    width=st.sampled_from([1, 2, 4]),
    block_bytes=st.sampled_from([1, 30, 200, 1 << 20]),
)
def test_documents_are_dealt_as_if_they_were_read_anew(index, num_shards, width, block_bytes):
    documents, groups, removed = index
    kept = [number for number in range(len(documents)) if number not in removed]
    num_shards = min(num_shards, len(kept))
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        dealt = deal(root, documents, groups, removed, num_shards, width, block_bytes)
        for shard, files in enumerate(dealt):
            folder = root / f"shard_{90 + shard:05d}"
            write_documents(folder, documents, kept[shard::num_shards], width)
            assert files == core_files(folder)


def test_long_documents_are_copied_in_pieces(tmp_path: Path) -> None:
    documents = [np.random.default_rng(number).integers(0, VOCABULARY, 700_000).tolist() for number in range(4)]
    dealt = deal(tmp_path, documents, [[[0, 2], [1, 3]]], {1}, 2, 4, 1 << 20)
    for shard, numbers in enumerate(([0, 3], [2])):
        folder = tmp_path / f"shard_{90 + shard:05d}"
        write_documents(folder, documents, numbers, 4)
        assert dealt[shard] == core_files(folder)


def test_documents_of_a_shard_without_metadata_get_an_empty_line(tmp_path: Path) -> None:
    documents = [[1], [2], [3]]
    with ExitStack() as stack:
        shards = [([0, 1], True), ([2], False)]
        readers = []
        for place, (numbers, metadata) in enumerate(shards):
            folder = tmp_path / f"shard_{place:05d}"
            manifest = write_documents(folder, documents, numbers, 2, metadata=metadata)
            readers.append([stack.enter_context(ShardReader(folder, manifest, np.zeros(0, np.uint64)))])
        (tmp_path / "new").mkdir()
        writer = stack.enter_context(
            CoreWriter(tmp_path / "new", 0, token_width=2, vocab_size=VOCABULARY, has_metadata=True)
        )
        deal_documents(readers, [writer])
        writer.finish()
    lines = (tmp_path / "new" / METADATA).read_bytes()
    assert lines.endswith(b"\n{}\n")
    assert lines.count(b"\n") == 3
    starts = np.fromfile(tmp_path / "new" / METAOFF, np.uint64).tolist()
    assert starts == [0, lines.index(b"\n") + 1, len(lines) - 3]


def test_shards_that_were_not_dealt_in_turn_are_refused(tmp_path: Path) -> None:
    documents = [[1]] * 5
    with pytest.raises(ManifestError, match=r"shard 0: 1 documents, expected 3: 2 shards with 5 documents"):
        deal(tmp_path, documents, [[[0], [1, 2, 3, 4]]], set(), 1, 2, 100)


def test_a_writer_begins_anew_where_another_was_interrupted(tmp_path: Path) -> None:
    for text in (b"\xff\xff\x01\x00\x02\x00", b"\xff\xff\x03\x00"):
        with CoreWriter(tmp_path, 3, token_width=2, vocab_size=9, has_metadata=False) as writer:
            writer.write_text(text)
            writer.add_documents(np.array([len(text)]), np.array([0]))
            if text.endswith(b"\x03\x00"):
                written = writer.finish()
    assert (written.number, written.num_tokens, written.num_documents) == (3, 2, 1)
    assert (tmp_path / "tokenized.0").read_bytes() == text
    assert (tmp_path / "unigram.0").read_text() == "3 1\n65535 1\n"
