"""Random documents are taken out of an index of real text: everything is as in an index that was made without them."""

import io
import itertools
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import zstandard

import headwater
import indexing
from headwater.embedded import EmbeddedIndex
from index_format.manifest import IndexManifest
from indexing import BuildPlan
from indexing.living.compact import compact
from indexing.living.remove import remove_documents
from indexing.plan import TokenizerFile
from tests.shared_data import shared_file, shared_tokenizer
from tests.takedown_oracle import kept_ids, shown

NUM_DOCUMENTS = 500
EVERY = 37


@dataclass(frozen=True, slots=True)
class Pair:
    """An index that leaves documents out, one without them, the whole one, and answers to ask of them."""

    left: EmbeddedIndex
    right: EmbeddedIndex
    whole: EmbeddedIndex
    ids: dict[str, str]
    answers: list[str]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("real")
    packed = shared_file("corpus.jsonl.zst")
    with packed.open("rb") as file, zstandard.ZstdDecompressor().stream_reader(file) as unpacked:
        lines = list(itertools.islice(io.TextIOWrapper(unpacked, encoding="utf-8"), 0, NUM_DOCUMENTS * EVERY, EVERY))
    source = directory / "corpus.jsonl"
    source.write_text("".join(lines))
    tokenizer = TokenizerFile(shared_tokenizer("llama-2"))
    for name in ("index", "whole"):
        indexing.build(
            BuildPlan(sources=(source,), output=directory / name, tokenizer=tokenizer, shards=2, workers=1, threads=1)
        )
    chooser = random.Random(6)
    sizes = [shard.num_documents for shard in IndexManifest.load(directory / "index").load_shards(directory / "index")]
    # Not the last of a shard: see tests/property/test_takedown_against_reindexing.py.
    withheld = [set(chooser.sample(range(size - 1), size // 5)) for size in sizes]
    ids = [f"{shard}:{number}" for shard, numbers in enumerate(withheld) for number in numbers]
    remove_documents(directory / "index", ids=ids)
    compact(directory / "index", directory / "compacted")
    texts = [json.loads(line)["text"] for line in lines]
    removed = [texts[number * 2 + shard] for shard, numbers in enumerate(withheld) for number in sorted(numbers)]
    answers = [text[start : start + 600] for text in removed[::12] for start in [len(text) // 3]]
    conversations = shared_file("conversations.jsonl").read_text(encoding="utf-8").splitlines()
    answers += [json.loads(line)["response"] for line in conversations[:8]]
    with (
        headwater.open(directory / "index", redaction="off") as left,
        headwater.open(directory / "compacted", redaction="off") as right,
        headwater.open(directory / "whole", redaction="off") as whole,
    ):
        yield Pair(left, right, whole, kept_ids(sizes, withheld), [answer for answer in answers if answer.strip()])


def test_traces_are_those_of_an_index_without_the_documents(pair: Pair) -> None:
    differing = 0
    for answer in pair.answers:
        found, expected = pair.left.trace(answer, "why?"), pair.right.trace(answer, "why?")
        assert shown(found, pair.ids) == shown(expected)
        differing += shown(found) != shown(pair.whole.trace(answer, "why?"))
    assert differing > len(pair.answers) // 2  # or there would be nothing to compare


def test_counts_and_what_is_withheld_add_up(pair: Pair) -> None:
    chooser = random.Random(7)
    for answer in pair.answers:
        words = answer.split(" ")
        for length in (1, 2, 5, 20):
            start = chooser.randrange(len(words))
            text = " " + " ".join(words[start : start + length])
            found = pair.left.count(text)
            assert found.count == pair.right.count(text).count
            assert found.count + found.withheld.occurrences == pair.whole.count(text).count


def test_documents_read_the_same(pair: Pair) -> None:
    for old, new in random.Random(8).sample(sorted(pair.ids.items()), 20):
        found, expected = pair.left.document(old), pair.right.document(new)
        assert (found.text, found.metadata, found.num_tokens) == (expected.text, expected.metadata, expected.num_tokens)
