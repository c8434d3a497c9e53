"""A mapped file that becomes shorter: an error of the next call, or the end of the process, with a message."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from index_format.layout import FAN_OUT, METADATA, METAOFF, TABLE, TOKENIZED
from suffix_engine import ShardCorruptError, ShardIndex, ThreadPool, Vocabulary, accelerate_shard
from tests.engine_calls import as_u32, as_u64, longest_matches, windows
from tests.tiny_index import write_shard

NUM_DOCUMENTS = 3000
VOCABULARY = Vocabulary(
    [b"%d " % number for number in range(4)], fallback_ids=[], byte_level=False, strip_leading_space=False
)
CALLS: dict[str, Callable[[ShardIndex], object]] = {
    "find": lambda shard: shard.find([1, 2]),
    "longest_matches": lambda shard: longest_matches(shard, [1, 2, 3], [0, 1], []),
    "unigram_counts": lambda shard: shard.unigram_counts(as_u32([1])),
    "positions": lambda shard: shard.positions([shard.num_tokens - 1]),
    "tokens": lambda shard: shard.tokens(0, shard.num_tokens),
    "windows": lambda shard: windows(shard, [0], [1], 1, 1),
    "document": lambda shard: shard.document(NUM_DOCUMENTS - 1, 0, 1),
    "metadata": lambda shard: shard.metadata(NUM_DOCUMENTS - 1),
    "without": lambda shard: shard.without(as_u64([NUM_DOCUMENTS - 1])),
    "verify": lambda shard: shard.verify(),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    documents = [[1, 2, 3]] * NUM_DOCUMENTS
    write_shard(tmp_path, documents, 2, [{"number": number} for number in range(NUM_DOCUMENTS)], unigrams=False)
    accelerate_shard(tmp_path, token_width=2, num_threads=1)
    return tmp_path


@pytest.mark.parametrize("name", [TOKENIZED, TABLE, FAN_OUT, METADATA, METAOFF])
def test_every_call_refuses_a_file_that_became_shorter_and_names_it(folder: Path, name: str) -> None:
    shard = ShardIndex.open(folder, token_width=2, pool=ThreadPool(1), vocabulary=VOCABULARY)
    size = (folder / name).stat().st_size
    for call in CALLS.values():
        call(shard)
    os.truncate(folder / name, size - 1)
    for what, call in CALLS.items():
        message = rf"{name}: file has {size - 1} bytes, it had {size} when it was opened"
        with pytest.raises(ShardCorruptError, match=message):
            pytest.fail(f"{what} answers {call(shard)}")
    os.truncate(folder / name, 0)
    for call in CALLS.values():
        with pytest.raises(ShardCorruptError, match=rf"{name}: file has 0 bytes"):
            call(shard)


LOSE_THE_TEXT_WHILE_IT_IS_READ = """
import os, sys
from suffix_engine import ShardIndex, ThreadPool, exit_on_lost_page
exit_on_lost_page()
shard = ShardIndex.open(sys.argv[1], token_width=2, pool=ThreadPool(1))
shard.inspect(progress=lambda done, total: os.truncate(sys.argv[2], 0))
sys.exit("the text was lost, and nobody noticed")
"""


def test_a_page_that_is_lost_in_the_middle_of_a_call_ends_the_process_with_a_message(folder: Path) -> None:
    # Of a file that only reads past its first page look at: the progress of an inspection is told between batches.
    arguments = [folder, folder / TOKENIZED]
    done = subprocess.run(
        [sys.executable, "-c", LOSE_THE_TEXT_WHILE_IT_IS_READ, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 135
    assert "a page of a mapped file could not be read (SIGBUS)" in done.stderr
