"""The messages of protos/shard/v1 from and to the pipeline's values."""

import numpy as np

from coordinator.metadata import parse_metadata
from coordinator.values import (
    DocumentId,
    DocumentText,
    Query,
    ShardDescription,
    ShardId,
    ShardMatches,
    Window,
    WindowQuery,
)
from protos.shard.v1 import shard_pb2


def encode_query(shard: ShardId, index_id: str, query: Query) -> shard_pb2.LongestMatchesRequest:
    """Returns the request for a query's longest matches in ``shard``."""
    return shard_pb2.LongestMatchesRequest(
        shard=shard,
        index_id=index_id,
        token_ids=query.token_ids.tolist(),
        word_starts=query.word_starts.tolist(),
        cuts=query.cuts.tolist(),
    )


def decode_matches(shard: ShardId, response: shard_pb2.LongestMatchesResponse) -> ShardMatches:
    """Returns the matches of a response."""
    return ShardMatches(
        shard=shard,
        starts=np.array(response.starts, dtype=np.uint32),
        ends=np.array(response.ends, dtype=np.uint32),
        rank_starts=np.array(response.rank_starts, dtype=np.uint64),
        rank_ends=np.array(response.rank_ends, dtype=np.uint64),
        unigram_counts=np.array(response.unigram_counts, dtype=np.uint64),
        num_tokens=response.num_tokens,
    )


def encode_windows(shard: ShardId, index_id: str, query: WindowQuery) -> shard_pb2.GetWindowsRequest:
    """Returns the request for windows of ``shard``."""
    return shard_pb2.GetWindowsRequest(
        shard=shard,
        index_id=index_id,
        ranks=query.ranks,
        lengths=query.lengths,
        context_tokens=query.context_tokens,
        snippet_tokens=query.snippet_tokens,
    )


def decode_windows(shard: ShardId, response: shard_pb2.GetWindowsResponse) -> tuple[Window, ...]:
    """Returns the windows of a response."""
    return tuple(
        Window(
            document=DocumentId(shard, window.document),
            document_tokens=window.document_length,
            start=window.start,
            end=window.end,
            match_start=window.match_start,
            match_token_ids=tuple(window.match_token_ids),
            text=window.text,
            match_chars=(window.match_start_char, window.match_end_char),
            snippet_chars=(window.snippet_start_char, window.snippet_end_char),
            metadata=window.metadata,
        )
        for window in response.windows
    )


def decode_document(shard: ShardId, number: int, response: shard_pb2.GetDocumentResponse) -> DocumentText:
    """Returns the run of a document in a response."""
    return DocumentText(
        id=DocumentId(shard, number),
        num_tokens=response.document_length,
        start=response.start,
        end=response.end,
        text=response.text,
        metadata=parse_metadata(response.metadata),
    )


def decode_descriptions(response: shard_pb2.DescribeResponse) -> dict[ShardId, ShardDescription]:
    """Returns what each shard of a server says of itself."""
    return {
        ShardId(shard.shard): ShardDescription(
            shard=ShardId(shard.shard),
            index_id=shard.index_id,
            format_version=shard.format_version,
            token_width=shard.token_width,
            tokenizer_sha256=shard.tokenizer_sha256,
            num_tokens=shard.num_tokens,
            num_documents=shard.num_documents,
        )
        for shard in response.shards
    }
