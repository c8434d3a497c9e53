"""Windows and documents as text, against slices of the token lists decoded in plain Python."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

import suffix_engine
from tests import oracle
from tests.engine_calls import u32, windows
from tests.tiny_index import write_shard

POOL = suffix_engine.ThreadPool(1)

# Whole words, a space mark, and characters of two, three and four bytes split over tokens.
PIECES = (
    b"a",
    b"the ",
    b" river",
    b".",
    b"\n",
    "é".encode()[:1],
    "é".encode()[1:],
    "水".encode(),
    "水".encode()[:2],
)
PIECES += ("水".encode()[2:], "🌊".encode()[:3], "🌊".encode()[3:], b"", b"\xff", b"\x80b")


@dataclass(frozen=True, slots=True)
class Shard:
    """An open shard, what was written to it, and the pieces of its vocabulary."""

    index: suffix_engine.ShardIndex
    documents: list[list[int]]
    width: int

    def decode(self, ids: list[int]) -> str:
        return b"".join(PIECES[id_] for id_ in ids).decode(errors="replace")


@contextmanager
def opened(documents: list[list[int]], width: int) -> Iterator[Shard]:
    vocabulary = suffix_engine.Vocabulary(PIECES, fallback_ids=[], byte_level=True, strip_leading_space=False)
    with tempfile.TemporaryDirectory() as directory:
        write_shard(Path(directory), documents, width, [{"n": number, "é": "水"} for number in range(len(documents))])
        index = suffix_engine.ShardIndex.open(directory, token_width=width, pool=POOL, vocabulary=vocabulary)
        yield Shard(index, documents, width)


DOCUMENTS = st.lists(st.lists(st.integers(0, len(PIECES) - 1), max_size=12), min_size=1, max_size=6)
SIDES = st.sampled_from([0, 1, 2, 5, 100])


@given(DOCUMENTS, st.sampled_from([1, 2, 4]), SIDES, SIDES)
def test_windows_are_the_text_round_each_occurrence(
    documents: list[list[int]], width: int, context: int, snippet: int
) -> None:
    with opened(documents, width) as shard:
        text = oracle.text_of(documents, width)
        table = oracle.suffix_table(text, width)
        asked = []
        for rank, position in enumerate(table):
            number, offset = oracle.locate(documents, position)
            room = len(documents[number]) - offset
            asked += [(rank, number, offset, length) for length in {1, 2, room} if offset >= 0 and 1 <= length <= room]
        found, reads = windows(shard.index, [a[0] for a in asked], [a[3] for a in asked], context, snippet)
        assert reads.table == len(asked)
        assert len(found) == len(asked)
        for got, (rank, number, offset, length) in zip(found, asked, strict=True):
            check_window(shard, got, rank, number, offset, length, context, min(snippet, context))


def check_window(
    shard: Shard,
    got: suffix_engine.Window,
    rank: int,
    number: int,
    offset: int,
    length: int,
    context: int,
    snippet: int,
) -> None:
    document = shard.documents[number]
    start, end = oracle.window(document, offset, length, context)
    assert (got.rank, got.document, got.document_length) == (rank, number, len(document))
    assert (got.start, got.end, got.match_start) == (start, end, offset)
    match = document[offset : offset + length]
    assert u32(got.match_token_ids) == match
    assert got.text == shard.decode(document[start:end])
    assert json.loads(got.metadata) == {"n": number, "é": "水"}
    assert not got.metadata.endswith("\n")
    snippet_start, snippet_end = oracle.window(document, offset, length, snippet)
    borders = [(got.match_chars, offset, offset + length), (got.snippet_chars, snippet_start, snippet_end)]
    for (start_char, end_char), first, last in borders:
        assert 0 <= start_char <= end_char <= len(got.text)
        if all(is_whole(document[a:b]) for a, b in ((start, first), (first, last), (last, end))):
            assert got.text[start_char:end_char] == shard.decode(document[first:last])


def is_whole(ids: list[int]) -> bool:
    """Returns whether these tokens neither begin nor end inside a character."""
    try:
        b"".join(PIECES[id_] for id_ in ids).decode()
    except UnicodeDecodeError:
        return False
    return True


@given(DOCUMENTS, st.sampled_from([1, 2, 4]), st.data())
def test_a_run_of_a_document_is_its_text(documents: list[list[int]], width: int, data: st.DataObject) -> None:
    with opened(documents, width) as shard:
        number = data.draw(st.integers(0, len(documents) - 1))
        document = documents[number]
        start = data.draw(st.integers(0, len(document)))
        max_tokens = data.draw(st.integers(1, 15))
        got = shard.index.document(number, start, max_tokens)
        end = min(len(document), start + max_tokens)
        assert (got.document, got.document_length, got.start, got.end) == (number, len(document), start, end)
        assert got.text == shard.decode(document[start:end])
        assert json.loads(got.metadata) == {"n": number, "é": "水"} == json.loads(shard.index.metadata(number))


@given(st.lists(st.integers(0, len(PIECES) - 1), max_size=20))
def test_boundaries_tile_the_text_and_give_a_split_character_to_its_last_token(ids: list[int]) -> None:
    vocabulary = suffix_engine.Vocabulary(PIECES, fallback_ids=[], byte_level=True, strip_leading_space=False)
    text, packed = vocabulary.decode(ids)
    boundaries = u32(packed)
    assert text == b"".join(PIECES[id_] for id_ in ids).decode(errors="replace")
    assert len(boundaries) == len(ids) + 1
    assert (boundaries[0], boundaries[-1]) == (0, len(text))
    assert boundaries == sorted(boundaries)
    if is_whole(ids):
        ends = [b"".join(PIECES[id_] for id_ in ids[:end]) for end in range(len(ids) + 1)]
        # What is cut off in the middle decodes to the whole characters before it.
        assert boundaries == [len(prefix.decode(errors="ignore")) for prefix in ends]
