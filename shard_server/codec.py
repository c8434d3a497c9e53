"""One function a call: checks a request against the limits, asks the engine, builds the response.

They run in the engine pool, never on the event loop. Each raises `WrongShardError`, `RequestLimitError` or an
``EngineError`` (`errors.STATUS`).
"""

import numpy as np

import suffix_engine
from protos.shard.v1 import shard_pb2
from shard_server.config import ShardServerConfig
from shard_server.errors import DocumentMissingError, RequestLimitError
from shard_server.shards import OpenShards


def longest_matches(
    request: shard_pb2.LongestMatchesRequest, shards: OpenShards, config: ShardServerConfig
) -> shard_pb2.LongestMatchesResponse:
    """Answers `LongestMatches`."""
    shard = shards.shard(request.shard, request.index_id)
    _check_between("token_ids", len(request.token_ids), 1, config.max_query_tokens)
    token_ids = list(request.token_ids)
    matches = shard.longest_matches(token_ids, list(request.word_starts), list(request.cuts))
    return shard_pb2.LongestMatchesResponse(
        starts=np.frombuffer(matches.starts, "<u4").tolist(),
        ends=np.frombuffer(matches.ends, "<u4").tolist(),
        rank_starts=np.frombuffer(matches.rank_starts, "<u8").tolist(),
        rank_ends=np.frombuffer(matches.rank_ends, "<u8").tolist(),
        unigram_counts=np.frombuffer(shard.unigram_counts(token_ids), "<u8").tolist(),
        num_tokens=shard.num_tokens,
    )


def get_windows(
    request: shard_pb2.GetWindowsRequest, shards: OpenShards, config: ShardServerConfig
) -> shard_pb2.GetWindowsResponse:
    """Answers `GetWindows`."""
    shard = shards.shard(request.shard, request.index_id)
    _check_between("ranks", len(request.ranks), 0, config.max_windows)
    num_tokens = sum(request.lengths) + 2 * request.context_tokens * len(request.ranks)
    _check_between("tokens in the windows", num_tokens, 0, config.max_window_tokens)
    _check_between("snippet_tokens", request.snippet_tokens, 0, request.context_tokens)
    windows = shard.windows(list(request.ranks), list(request.lengths), request.context_tokens, request.snippet_tokens)
    return shard_pb2.GetWindowsResponse(windows=[_window(window) for window in windows])


def get_document(
    request: shard_pb2.GetDocumentRequest, shards: OpenShards, config: ShardServerConfig
) -> shard_pb2.GetDocumentResponse:
    """Answers `GetDocument`.

    Raises:
        DocumentMissingError: there is no such document, or it ends before ``start``.
    """
    shard = shards.shard(request.shard, request.index_id)
    _check_between("max_tokens", request.max_tokens, 1, config.max_document_tokens)
    try:
        slice_ = shard.document(request.document, request.start, request.max_tokens)
    except suffix_engine.InvalidQueryError as error:
        raise DocumentMissingError(f"shard {request.shard}: {error}") from error
    return shard_pb2.GetDocumentResponse(
        document_length=slice_.document_length,
        start=slice_.start,
        end=slice_.end,
        text=slice_.text,
        metadata=slice_.metadata,
    )


def describe(
    _request: shard_pb2.DescribeRequest, shards: OpenShards, _config: ShardServerConfig
) -> shard_pb2.DescribeResponse:
    """Answers `Describe`."""
    return shard_pb2.DescribeResponse(
        shards=[
            shard_pb2.Shard(
                shard=number,
                index_id=shards.index.index_id,
                format_version=shards.index.format_version,
                token_width=shard.token_width,
                tokenizer_sha256=shards.index.tokenizer_sha256,
                num_tokens=shard.num_tokens,
                num_documents=shard.num_documents,
            )
            for number, shard in shards.by_number.items()
        ]
    )


def _window(window: suffix_engine.Window) -> shard_pb2.Window:
    return shard_pb2.Window(
        document=window.document,
        document_length=window.document_length,
        start=window.start,
        end=window.end,
        match_start=window.match_start,
        match_token_ids=np.frombuffer(window.match_token_ids, "<u4").tolist(),
        text=window.text,
        match_start_char=window.match_chars[0],
        match_end_char=window.match_chars[1],
        snippet_start_char=window.snippet_chars[0],
        snippet_end_char=window.snippet_chars[1],
        metadata=window.metadata,
    )


def _check_between(name: str, found: int, least: int, most: int) -> None:
    if not least <= found <= most:
        raise RequestLimitError(f"request has {found} {name}, this server takes {least} to {most}")
