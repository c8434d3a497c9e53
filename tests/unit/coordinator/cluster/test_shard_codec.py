"""What a shard server answers becomes values, and an answer of the wrong shape is refused by name."""

import struct
from typing import Any

import numpy as np
import pytest

from coordinator.cluster.held_shard import HeldShard
from coordinator.cluster.shard_codec import (
    decode_found,
    decode_held,
    decode_matches,
    decode_windows,
    encode_document,
    encode_document_query,
    encode_query,
    encode_takedown,
    encode_windows,
)
from coordinator.errors import ConfigurationError
from coordinator.read_counts import ReadCounts
from coordinator.takedown_search import DocumentQuery
from coordinator.values import DocumentId, Query, ShardId, Window, WindowQuery
from index_format.takedowns import (
    ContentTarget,
    DocumentTarget,
    DomainTarget,
    SourceTarget,
    Takedown,
    Target,
    UrlTarget,
)
from protos.shard.v1 import shard_pb2 as pb

SHARD = ShardId("default", 3)
QUERY = Query(
    text="a b c",
    token_ids=np.array([7, 8, 70_000], dtype=np.uint32),
    boundaries=np.array([0, 2, 4, 5], dtype=np.uint32),
    word_starts=np.array([0, 2], dtype=np.uint32),
    cuts=np.array([1], dtype=np.uint32),
)
WINDOWS = WindowQuery(ranks=(2**40, 5), token_ids=((7, 8), (9,)), context_tokens=9, snippet_tokens=4)
READS = pb.ReadCounts(table=1, fan_out=2, text=3, documents=4, size_bytes=2**40)


def u32(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def u64(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def matches(**fields: object) -> pb.LongestMatchesResponse:
    good = {
        "starts": u32(0, 2),
        "ends": u32(2, 3),
        "rank_starts": u64(5, 2**40),
        "rank_ends": u64(6, 2**40 + 2),
        "unigram_counts": u64(1, 2, 3),
        "num_tokens": 2**41,
        "reads": READS,
    }
    return pb.LongestMatchesResponse(**{**good, **fields})  # type: ignore[arg-type]


def windows(**fields: object) -> pb.GetWindowsResponse:
    good = {
        "documents": u64(2**40, 1),
        "document_lengths": u64(30, 2),
        "starts": u64(3, 0),
        "ends": u64(20, 2),
        "match_starts": u64(10, 1),
        "match_token_ids": u32(7, 8, 9),
        "texts": ["naïve text", "b"],
        "match_chars": u32(0, 5, 0, 1),
        "snippet_chars": u32(0, 7, 0, 1),
        "metadata": ['{"a": 1}', ""],
        "reads": READS,
    }
    return pb.GetWindowsResponse(**{**good, **fields})  # type: ignore[arg-type]


def test_a_query_is_written_as_little_endian_arrays() -> None:
    request = encode_query(SHARD, "index", QUERY)
    assert (request.shard, request.index_id) == (3, "index")
    assert (request.token_ids, request.word_starts, request.cuts) == (u32(7, 8, 70_000), u32(0, 2), u32(1))


def test_matches_come_with_their_reads() -> None:
    found = decode_matches(SHARD, QUERY, matches())
    assert (found.starts.tolist(), found.ends.tolist()) == ([0, 2], [2, 3])
    assert (found.rank_starts.tolist(), found.rank_ends.tolist()) == ([5, 2**40], [6, 2**40 + 2])
    assert (found.unigram_counts.tolist(), found.num_tokens) == ([1, 2, 3], 2**41)
    assert found.reads == ReadCounts(1, 2, 3, 4, 2**40)


def test_a_shard_that_holds_nothing_has_no_matches() -> None:
    nothing = matches(starts=b"", ends=b"", rank_starts=b"", rank_ends=b"")
    assert len(decode_matches(SHARD, QUERY, nothing).starts) == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"starts": b"abc"}, "3 bytes of starts, expected whole numbers of 4 bytes"),
        ({"ends": u32(2)}, "4 bytes of ends, expected 2 numbers of 4 bytes"),
        ({"rank_starts": u64(1, 2, 3)}, "24 bytes of rank_starts, expected 2 numbers of 8 bytes"),
        ({"rank_ends": b""}, "0 bytes of rank_ends"),
        ({"unigram_counts": u64(1, 2)}, "16 bytes of unigram_counts, expected 3 numbers"),
        ({"ends": u32(2, 4)}, "not inside the query of 3 tokens"),
        ({"ends": u32(0, 3)}, "a match is empty"),
        ({"rank_ends": u64(1, 1), "rank_starts": u64(2, 0)}, "a match without ranks"),
        ({"starts": u32(1, 0), "ends": u32(3, 3)}, "matches that do not ascend"),
    ],
)
def test_matches_of_the_wrong_shape_are_refused(fields: dict[str, bytes], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        decode_matches(SHARD, QUERY, matches(**fields))


def test_a_window_query_is_written_as_little_endian_arrays() -> None:
    request = encode_windows(SHARD, "index", WINDOWS)
    assert (request.ranks, request.lengths) == (u64(2**40, 5), u32(2, 1))
    assert (request.context_tokens, request.snippet_tokens) == (9, 4)


def test_columns_become_windows_in_their_order() -> None:
    found = decode_windows(SHARD, WINDOWS, windows())
    assert found.reads == ReadCounts(1, 2, 3, 4, 2**40)
    assert found.windows == (
        Window(
            document=DocumentId(*SHARD, 2**40),
            document_tokens=30,
            start=3,
            end=20,
            match_start=10,
            match_token_ids=(7, 8),
            text="naïve text",
            match_chars=(0, 5),
            snippet_chars=(0, 7),
            metadata='{"a": 1}',
        ),
        Window(
            document=DocumentId(*SHARD, 1),
            document_tokens=2,
            start=0,
            end=2,
            match_start=1,
            match_token_ids=(9,),
            text="b",
            match_chars=(0, 1),
            snippet_chars=(0, 1),
            metadata="",
        ),
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"texts": ["one"]}, "1 texts for 2 ranks"),
        ({"metadata": []}, "0 metadata for 2 ranks"),
        ({"documents": u64(1)}, "8 bytes of documents, expected 2 numbers of 8 bytes"),
        ({"match_token_ids": u32(7, 8)}, "8 bytes of match_token_ids, expected 3 numbers of 4 bytes"),
        ({"snippet_chars": b"abc"}, "3 bytes of snippet_chars"),
        ({"match_chars": u32(0, 5)}, "8 bytes of match_chars, expected 4 numbers of 4 bytes"),
    ],
)
def test_windows_of_the_wrong_shape_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        decode_windows(SHARD, WINDOWS, windows(**fields))


def test_a_document_is_asked_for_by_shard_and_index() -> None:
    request = encode_document(SHARD, "index", 2**40, 5, 100)
    assert (request.shard, request.index_id) == (3, "index")
    assert (request.document, request.start, request.max_tokens) == (2**40, 5, 100)


def test_what_a_server_holds_comes_in_its_order() -> None:
    shards = [
        pb.Shard(shard=number, index_id="id", format_version=1, token_width=2, tokenizer_sha256="f", num_tokens=2**40)
        for number in (4, 7)
    ]
    held = decode_held(pb.DescribeResponse(shards=shards))
    assert held == tuple(HeldShard(number, "id", 1, 2, "f", 2**40, 0) for number in (4, 7))


CONTENT = ContentTarget("ab" * 32, 7)


OF_CONTENT = pb.ContentTarget(sha256="ab" * 32, num_tokens=7)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            DocumentTarget("1f", 3, 2**40, CONTENT),
            {"document": pb.DocumentTarget(index_id="1f", shard=3, number=2**40, content=OF_CONTENT)},
        ),
        (DocumentTarget("1f", 0, 0), {"document": pb.DocumentTarget(index_id="1f")}),
        (UrlTarget("https://x/ü"), {"url": "https://x/ü"}),
        (DomainTarget("example.org"), {"domain": "example.org"}),
        (SourceTarget("wiki"), {"source": "wiki"}),
        (CONTENT, {"content": OF_CONTENT}),
    ],
)
def test_a_takedown_is_sent_with_its_one_target(target: Target, message: dict[str, Any]) -> None:
    sent = encode_takedown(Takedown("t-1", target, ("1f", "2e")))
    assert sent == pb.Takedown(id="t-1", index_ids=("1f", "2e"), **message)


def test_a_search_for_documents_holds_what_is_asked() -> None:
    query = DocumentQuery(Takedown("t", UrlTarget("u")), 9, 100, 0.5, u32(1, 2))
    request = encode_document_query(SHARD, "1f", query)
    assert (request.shard, request.index_id, request.takedown.url) == (3, "1f", "u")
    assert (request.max_documents, request.max_token_ids, request.min_copied_share) == (9, 100, 0.5)
    assert request.copied_token_ids == u32(1, 2)


def test_a_found_document_without_content_is_an_error_of_the_server() -> None:
    with pytest.raises(ConfigurationError, match="no content of a document"):
        decode_found(pb.FindDocumentsResponse(documents=[pb.FoundDocument(number=1)], num_documents=1))


def test_what_is_withheld_comes_with_the_matches_and_must_be_as_many() -> None:
    found = decode_matches(SHARD, QUERY, matches(withheld=u64(3, 0), withheld_elsewhere=9, view_id="v"))
    assert found.withheld is not None
    assert (found.withheld.tolist(), found.withheld_elsewhere, found.view_id) == ([3, 0], 9, "v")
    assert decode_matches(SHARD, QUERY, matches()).withheld is None
    with pytest.raises(ConfigurationError, match="bytes of withheld"):
        decode_matches(SHARD, QUERY, matches(withheld=u64(3)))
