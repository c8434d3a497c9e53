"""The messages of protos/shard/v1 from and to the pipeline's values."""

import itertools
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from coordinator.cluster.held_shard import HeldShard
from coordinator.cluster.shard_document import ShardDocument
from coordinator.errors import ConfigurationError
from coordinator.read_counts import ReadCounts
from coordinator.steps.metadata import document_text
from coordinator.takedown_search import DocumentQuery, FoundDocument, FoundDocuments
from coordinator.values import (
    DocumentId,
    Query,
    ShardId,
    ShardMatches,
    ShardWindows,
    Window,
    WindowQuery,
)
from index_format.errors import TakedownError
from index_format.takedowns import ContentTarget, DocumentTarget, DomainTarget, SourceTarget, Takedown, UrlTarget
from protos.shard.v1 import shard_pb2


def encode_query(shard: ShardId, index_id: str, query: Query) -> shard_pb2.LongestMatchesRequest:
    """Returns the request for a query's longest matches in ``shard``."""
    return shard_pb2.LongestMatchesRequest(
        shard=shard.number,
        index_id=index_id,
        token_ids=query.token_ids.astype("<u4", copy=False).tobytes(),
        word_starts=query.word_starts.astype("<u4", copy=False).tobytes(),
        cuts=query.cuts.astype("<u4", copy=False).tobytes(),
    )


def decode_matches(shard: ShardId, query: Query, response: shard_pb2.LongestMatchesResponse) -> ShardMatches:
    """Returns the matches of a response to ``query``.

    Raises:
        ConfigurationError: an array is not as long as it must be, a match is not inside the query or out of order, or
            its ranks are none.
    """
    num_tokens = len(query.token_ids)
    starts = _array("starts", response.starts, "<u4")
    ends = _array("ends", response.ends, "<u4", len(starts))
    if np.count_nonzero((starts < ends) & (ends <= num_tokens)) != len(starts):
        raise ConfigurationError(f"shard {shard}: a match is empty or not inside the query of {num_tokens} tokens")
    rank_starts = _array("rank_starts", response.rank_starts, "<u8", len(starts))
    rank_ends = _array("rank_ends", response.rank_ends, "<u8", len(starts))
    if np.any(rank_starts >= rank_ends) or np.any(starts[:-1] >= starts[1:]):
        raise ConfigurationError(f"shard {shard}: a match without ranks, or matches that do not ascend")
    return ShardMatches(
        shard=shard,
        starts=starts,
        ends=ends,
        rank_starts=rank_starts,
        rank_ends=rank_ends,
        unigram_counts=_array("unigram_counts", response.unigram_counts, "<u8", num_tokens),
        num_tokens=response.num_tokens,
        reads=_decode_reads(response.reads),
        withheld=_array("withheld", response.withheld, "<u8", len(starts)) if response.withheld else None,
        withheld_elsewhere=response.withheld_elsewhere,
        view_id=response.view_id,
    )


def encode_windows(shard: ShardId, index_id: str, query: WindowQuery) -> shard_pb2.GetWindowsRequest:
    """Returns the request for windows of ``shard``."""
    return shard_pb2.GetWindowsRequest(
        shard=shard.number,
        index_id=index_id,
        ranks=struct.pack(f"<{len(query.ranks)}Q", *query.ranks),
        lengths=struct.pack(f"<{len(query.ranks)}I", *query.lengths),
        context_tokens=query.context_tokens,
        snippet_tokens=query.snippet_tokens,
        view_id=query.view_id,
    )


def decode_windows(shard: ShardId, query: WindowQuery, response: shard_pb2.GetWindowsResponse) -> ShardWindows:
    """Returns the windows of a response to ``query``.

    Raises:
        ConfigurationError: a field has not one entry a rank of the query.
    """
    num_windows = len(query.ranks)
    for name, found in (("texts", len(response.texts)), ("metadata", len(response.metadata))):
        if found != num_windows:
            raise ConfigurationError(f"shard {shard}: {found} {name} for {num_windows} ranks")

    def column(name: str, kind: str, length: int = num_windows) -> tuple[int, ...]:
        content = getattr(response, name)
        _check_size(name, content, struct.calcsize(f"<{kind}"), length)
        return struct.unpack(f"<{length}{kind}", content)

    lengths = query.lengths
    token_ids = column("match_token_ids", "I", sum(lengths))
    match_ends = itertools.accumulate(lengths)
    match_chars = column("match_chars", "I", 2 * num_windows)
    snippet_chars = column("snippet_chars", "I", 2 * num_windows)
    columns = zip(
        [DocumentId(*shard, number) for number in column("documents", "Q")],
        column("document_lengths", "Q"),
        column("starts", "Q"),
        column("ends", "Q"),
        column("match_starts", "Q"),
        [token_ids[end - length : end] for end, length in zip(match_ends, lengths, strict=True)],
        response.texts,
        zip(match_chars[::2], match_chars[1::2], strict=True),
        zip(snippet_chars[::2], snippet_chars[1::2], strict=True),
        response.metadata,
        strict=True,
    )
    # In the order of the fields of `Window`: made without a call in Python for each.
    return ShardWindows(tuple(map(Window._make, columns)), _decode_reads(response.reads))


def encode_document(
    shard: ShardId, index_id: str, number: int, start: int, max_tokens: int
) -> shard_pb2.GetDocumentRequest:
    """Returns the request for a run of a document of ``shard``."""
    return shard_pb2.GetDocumentRequest(
        shard=shard.number, index_id=index_id, document=number, start=start, max_tokens=max_tokens
    )


def decode_document(shard: ShardId, stage: str, number: int, response: shard_pb2.GetDocumentResponse) -> ShardDocument:
    """Returns the run of a document in a response; ``stage`` is that of its corpus."""
    document = document_text(
        DocumentId(*shard, number),
        stage,
        response.metadata,
        num_tokens=response.document_length,
        start=response.start,
        end=response.end,
        text=response.text,
    )
    return ShardDocument(document, response.view_id)


def decode_held(response: shard_pb2.DescribeResponse | shard_pb2.SetTakedownsResponse) -> tuple[HeldShard, ...]:
    """Returns what a server says of each shard that it holds."""
    return tuple(
        HeldShard(
            number=shard.shard,
            index_id=shard.index_id,
            format_version=shard.format_version,
            token_width=shard.token_width,
            tokenizer_sha256=shard.tokenizer_sha256,
            num_tokens=shard.num_tokens,
            num_documents=shard.num_documents,
            view_id=shard.view_id,
            withheld_documents=shard.withheld_documents,
            takedown_epoch=shard.takedown_epoch,
            index_generation=shard.index_generation,
        )
        for shard in response.shards
    )


def encode_takedown(takedown: Takedown) -> shard_pb2.Takedown:
    """Returns the message of a takedown."""
    message = shard_pb2.Takedown(id=takedown.id, index_ids=takedown.index_ids)
    match takedown.target:
        case DocumentTarget(index_id, shard, number, content):
            message.document.index_id = index_id
            message.document.shard = shard
            message.document.number = number
            if content is not None:
                message.document.content.CopyFrom(_encode_content(content))
        case UrlTarget(url):
            message.url = url
        case DomainTarget(domain):
            message.domain = domain
        case SourceTarget(source):
            message.source = source
        case ContentTarget() as content:
            message.content.CopyFrom(_encode_content(content))
    return message


def encode_document_query(shard: ShardId, index_id: str, query: DocumentQuery) -> shard_pb2.FindDocumentsRequest:
    """Returns the request for documents of ``shard``."""
    return shard_pb2.FindDocumentsRequest(
        shard=shard.number,
        index_id=index_id,
        takedown=encode_takedown(query.takedown),
        max_documents=query.max_documents,
        min_copied_share=query.min_copied_share,
        copied_token_ids=query.copied_token_ids,
        max_token_ids=query.max_token_ids,
    )


def decode_found(response: shard_pb2.FindDocumentsResponse) -> FoundDocuments:
    """Returns the documents of a response.

    Raises:
        ConfigurationError: the content of one is none.
    """
    try:
        documents = tuple(
            FoundDocument(
                number=found.number,
                num_tokens=found.num_tokens,
                metadata=found.metadata,
                content=ContentTarget(found.content.sha256, found.content.num_tokens),
                copied_share=found.copied_share,
                token_ids=found.token_ids,
            )
            for found in response.documents
        )
    except TakedownError as error:
        raise ConfigurationError(f"a shard server answered no content of a document ({error})") from None
    return FoundDocuments(documents, response.num_documents)


def _encode_content(content: ContentTarget) -> shard_pb2.ContentTarget:
    return shard_pb2.ContentTarget(sha256=content.sha256, num_tokens=content.num_tokens)


def _array(name: str, content: bytes, kind: str, length: int | None = None) -> npt.NDArray[Any]:
    _check_size(name, content, int(kind[-1]), length)
    return np.frombuffer(content, dtype=kind)


def _check_size(name: str, content: bytes, width: int, length: int | None) -> None:
    if len(content) % width or (length is not None and len(content) != length * width):
        wanted = f"{length} numbers" if length is not None else "whole numbers"
        raise ConfigurationError(
            f"a shard server answered {len(content)} bytes of {name}, expected {wanted} of {width} bytes; "
            "is it of the coordinator's version?"
        )


def _decode_reads(reads: shard_pb2.ReadCounts) -> ReadCounts:
    return ReadCounts(reads.table, reads.fan_out, reads.text, reads.documents, reads.size_bytes)
