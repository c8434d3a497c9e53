"""One function a call: checks a request against the limits, asks the engine, builds the response.

Each raises `WrongShardError`, `RequestLimitError` or an ``EngineError`` (`errors.STATUS`).
"""

import struct

import numpy as np

import suffix_engine
from protos.shard.v1 import shard_pb2
from shard_server.config import ShardServerConfig
from shard_server.errors import DocumentMissingError, RequestLimitError
from shard_server.shards import OpenShards

_U32 = 4
_U64 = 8


def longest_matches(
    request: shard_pb2.LongestMatchesRequest, shards: OpenShards, config: ShardServerConfig
) -> shard_pb2.LongestMatchesResponse:
    """Answers `LongestMatches`."""
    view = shards.view(request.shard, request.index_id)
    check_between("token_ids", length_of("token_ids", request.token_ids, _U32), 1, config.max_query_tokens)
    length_of("word_starts", request.word_starts, _U32)
    length_of("cuts", request.cuts, _U32)
    matches = view.engine.longest_matches(request.token_ids, request.word_starts, request.cuts)
    response = shard_pb2.LongestMatchesResponse(
        starts=matches.starts,
        ends=matches.ends,
        rank_starts=matches.rank_starts,
        rank_ends=matches.rank_ends,
        unigram_counts=matches.unigram_counts,
        num_tokens=view.engine.num_tokens,
        reads=_read_counts(matches.reads),
    )
    if view.view_id:
        response.withheld = matches.withheld
        response.view_id = view.view_id
        response.withheld_elsewhere = matches.withheld_elsewhere
    return response


def get_windows(
    request: shard_pb2.GetWindowsRequest, shards: OpenShards, config: ShardServerConfig
) -> shard_pb2.GetWindowsResponse:
    """Answers `GetWindows`.

    Raises:
        ViewGoneError: the ranks are of another view than the present one and the one before.
    """
    shard = shards.view_named(request.shard, request.index_id, request.view_id).engine
    num_ranks = length_of("ranks", request.ranks, _U64)
    check_between("ranks", num_ranks, 0, config.max_windows)
    check_between("lengths", length_of("lengths", request.lengths, _U32), num_ranks, num_ranks)
    lengths = np.frombuffer(request.lengths, "<u4")
    num_tokens = int(lengths.sum(dtype=np.uint64)) + 2 * request.context_tokens * num_ranks
    check_between("tokens in the windows", num_tokens, 0, config.max_window_tokens)
    check_between("snippet_tokens", request.snippet_tokens, 0, request.context_tokens)
    windows, reads = shard.windows(request.ranks, request.lengths, request.context_tokens, request.snippet_tokens)
    return shard_pb2.GetWindowsResponse(
        documents=_packed("Q", [window.document for window in windows]),
        document_lengths=_packed("Q", [window.document_length for window in windows]),
        starts=_packed("Q", [window.start for window in windows]),
        ends=_packed("Q", [window.end for window in windows]),
        match_starts=_packed("Q", [window.match_start for window in windows]),
        match_token_ids=b"".join(window.match_token_ids for window in windows),
        texts=[window.text for window in windows],
        match_chars=_packed("I", [char for window in windows for char in window.match_chars]),
        snippet_chars=_packed("I", [char for window in windows for char in window.snippet_chars]),
        metadata=[window.metadata for window in windows],
        reads=_read_counts(reads),
    )


def get_document(
    request: shard_pb2.GetDocumentRequest, shards: OpenShards, config: ShardServerConfig
) -> shard_pb2.GetDocumentResponse:
    """Answers `GetDocument`.

    Raises:
        DocumentMissingError: there is no such document, it ends before ``start``, or it was withdrawn.
    """
    view = shards.view(request.shard, request.index_id)
    check_between("max_tokens", request.max_tokens, 1, config.max_document_tokens)
    try:
        slice_ = view.engine.document(request.document, request.start, request.max_tokens)
    except suffix_engine.DocumentWithheldError:
        raise DocumentMissingError(f"shard {request.shard}: document {request.document} was withdrawn") from None
    except suffix_engine.InvalidQueryError as error:
        raise DocumentMissingError(f"shard {request.shard}: {error}") from error
    return shard_pb2.GetDocumentResponse(
        document_length=slice_.document_length,
        start=slice_.start,
        end=slice_.end,
        text=slice_.text,
        metadata=slice_.metadata,
        view_id=view.view_id,
    )


def describe(
    _request: shard_pb2.DescribeRequest, shards: OpenShards, _config: ShardServerConfig
) -> shard_pb2.DescribeResponse:
    """Answers `Describe`."""
    return shard_pb2.DescribeResponse(shards=described(shards))


def described(shards: OpenShards) -> list[shard_pb2.Shard]:
    """Returns what the server holds at this moment. Sizes are those of the files, whatever is withheld."""
    epoch, views = shards.views.described()
    return [
        shard_pb2.Shard(
            shard=number,
            index_id=shards.index.index_id,
            format_version=shards.index.format_version,
            token_width=shard.token_width,
            tokenizer_sha256=shards.index.tokenizer_sha256,
            num_tokens=shard.num_tokens,
            num_documents=shard.num_documents,
            view_id=views[number].view_id,
            withheld_documents=views[number].num_withheld,
            takedown_epoch=epoch,
            index_generation=shards.index.generation,
        )
        for number, shard in shards.by_number.items()
    ]


def length_of(name: str, content: bytes, width: int) -> int:
    """Returns how many numbers of ``width`` bytes an array of a request holds.

    Raises:
        RequestLimitError: there is a rest.
    """
    length, rest = divmod(len(content), width)
    if rest:
        raise RequestLimitError(f"request has {len(content)} bytes of {name}, expected whole numbers of {width} bytes")
    return length


def _packed(kind: str, numbers: list[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}{kind}", *numbers)


def check_between(name: str, found: int, least: int, most: int) -> None:
    """Checks a number of a request.

    Raises:
        RequestLimitError: it is not within ``least`` and ``most``.
    """
    if not least <= found <= most:
        raise RequestLimitError(f"request has {found} {name}, this server takes {least} to {most}")


def _read_counts(reads: suffix_engine.ReadCounts) -> shard_pb2.ReadCounts:
    return shard_pb2.ReadCounts(
        table=reads.table,
        fan_out=reads.fan_out,
        text=reads.text,
        documents=reads.documents,
        size_bytes=reads.size_bytes,
    )
