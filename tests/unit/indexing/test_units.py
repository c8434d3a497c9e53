from pathlib import Path

import pytest

from indexing.chunks import Chunk
from indexing.documents import DocumentFields
from indexing.errors import OutputError
from indexing.sources import find_corpus
from indexing.splits import splits_of
from indexing.tokenizing_task import Tokenizing
from indexing.units import tokenize_unit


def test_a_machine_that_does_not_see_the_files_of_the_build_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x")
    (split,) = splits_of(find_corpus([tmp_path / "a.txt"]))
    how = Tokenizing(tokenizer=None, token_width=1, num_shards=1, fields=DocumentFields("text", None))
    chunk = tmp_path / "work" / "chunk"
    with pytest.raises(OutputError, match=r"work/locks: not found on .*; every machine at work on a build must see"):
        tokenize_unit(tmp_path / "work" / "locks" / "split-0", split, how, chunk, lambda amount: None)
    assert not chunk.exists()
    (tmp_path / "work" / "locks").mkdir(parents=True)
    number, done = tokenize_unit(tmp_path / "work" / "locks" / "split-0", split, how, chunk, lambda amount: None)
    assert (number, done.num_documents) == (0, 1)
    assert Chunk.load(chunk) == done
    assert list((tmp_path / "work" / "locks").iterdir()) == []
