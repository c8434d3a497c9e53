from pathlib import Path
from typing import Any

import pytest

from indexing.errors import PlanError
from indexing.plan import BuildPlan, RawBytes, TrainedTokenizer


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"sources": ()}, "no source given"),
        ({"shards": 0}, "0 shards, expected 1 to 100000"),
        ({"shards": 100_001}, "100001 shards, expected 1 to 100000"),
        ({"threads": -1}, "-1 threads, expected 0"),
        ({"threads": 1025}, "1025 threads, expected 0 .* to 1024"),
        ({"parts": 0}, "0 parts a shard, expected 1 to 256"),
        ({"workers": -1}, "-1 workers, expected 0"),
        ({"memory_bytes": 0}, "memory of 0 bytes"),
        ({"stage": "caf\udce9"}, r"stage 'caf\\udce9' is not Unicode text"),
        ({"source": "\ud800"}, r"source '\\ud800' is not Unicode text"),
        ({"document_separator": -1}, "document separator -1, expected an id of 0 or more"),
        ({"ids_field": "ids", "tokenizer": TrainedTokenizer()}, "column 'ids' holds token ids, and no tokenizer"),
        ({"metadata_fields": ("id", "text")}, "field 'text' is the text"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(wrong: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"sources": (Path("a"),), "output": Path("b"), "tokenizer": RawBytes()}
    with pytest.raises(PlanError, match=message):
        BuildPlan(**fields | wrong)


@pytest.mark.parametrize("vocab_size", [255, 10_000_001, 1 << 64])
def test_a_vocabulary_smaller_than_the_bytes_or_larger_than_any_cannot_be_trained(vocab_size: int) -> None:
    with pytest.raises(PlanError, match=rf"vocabulary of {vocab_size} to train, expected 256 .* to 10000000"):
        TrainedTokenizer(vocab_size)
