import gzip
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zstandard

from indexing.documents import DocumentFields
from indexing.errors import SourceError
from indexing.estimate import least_text_bytes, least_tokens
from indexing.plan import RawBytes, TrainedTokenizer
from indexing.sources import find_corpus
from tests.unit.indexing.reading import json_lines

FIELDS = DocumentFields("text", ())
TEXTS = [f"{number} {'some words of text ' * (number % 40)}" for number in range(3000)]
TEXT_BYTES = sum(map(len, TEXTS))


def write(directory: Path, kind: str) -> None:
    lines = json_lines(*({"text": text, "number": number} for number, text in enumerate(TEXTS)))
    if kind == "plain":
        (directory / "a.jsonl").write_bytes(lines)
    elif kind == "gz":
        (directory / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    elif kind == "zst":
        (directory / "a.jsonl.zst").write_bytes(zstandard.compress(lines))
    elif kind == "parquet":
        table = pyarrow.table({"text": TEXTS, "number": list(range(len(TEXTS)))})
        pyarrow.parquet.write_table(table, directory / "a.parquet", row_group_size=1000)
    else:
        for number, text in enumerate(TEXTS[:200]):
            (directory / f"{number}.txt").write_text(text)
        (directory / "rest.txt").write_text("".join(TEXTS[200:]))


@pytest.mark.parametrize("kind", ["plain", "gz", "zst", "parquet", "text"])
def test_the_estimate_is_low_but_not_nothing(tmp_path: Path, kind: str) -> None:
    write(tmp_path, kind)
    estimate = least_text_bytes(find_corpus([tmp_path]), FIELDS)
    assert TEXT_BYTES / 100 < estimate <= TEXT_BYTES * 1.01


def test_plain_text_is_known_exactly(tmp_path: Path) -> None:
    write(tmp_path, "text")
    corpus = find_corpus([tmp_path])
    assert least_tokens(corpus, FIELDS, RawBytes()) == TEXT_BYTES
    assert least_tokens(corpus, FIELDS, TrainedTokenizer()) == TEXT_BYTES // 8


def test_bad_lines_are_left_to_the_build_to_report(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"bad\n" + json_lines({"text": "x" * 100}))
    assert least_text_bytes(find_corpus([tmp_path]), FIELDS) > 0


def test_a_file_that_is_no_parquet_is_found_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"x")
    with pytest.raises(SourceError, match="truncated or corrupt Parquet"):
        least_text_bytes(find_corpus([tmp_path]), FIELDS)


def test_a_corpus_of_nothing_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"")
    assert least_text_bytes(find_corpus([tmp_path]), FIELDS) == 0


@pytest.mark.parametrize("dtype", ["u1", "u8"])
def test_the_estimate_of_token_ids_is_low_but_not_nothing(tmp_path: Path, dtype: str) -> None:
    np.save(tmp_path / "a.npy", np.ones((500, 20), dtype=dtype))
    assert 1000 < least_tokens(find_corpus([tmp_path]), FIELDS, TrainedTokenizer()) < 10_100


def test_ids_of_a_column_are_counted_in_the_footer(tmp_path: Path) -> None:
    ids = pyarrow.array([list(range(20))] * 500)
    pyarrow.parquet.write_table(pyarrow.table({"ids": ids, "text": ["x"] * 500}), tmp_path / "a.parquet")
    assert least_tokens(find_corpus([tmp_path]), DocumentFields("text", (), ids="ids"), TrainedTokenizer()) == 10_000
