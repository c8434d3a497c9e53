"""The calls about takedowns: checks a request, asks, builds the response. As `codec`, for calls that may take long."""

import numpy as np

from index_format.errors import IndexFormatError, TakedownError
from index_format.takedown_resolution import TakedownFinder, content_of
from index_format.takedowns import (
    ContentTarget,
    DocumentTarget,
    DomainTarget,
    SourceTarget,
    Takedown,
    Target,
    UrlTarget,
)
from protos.shard.v1 import shard_pb2
from shard_server.codec import check_between, described, length_of
from shard_server.config import ShardServerConfig
from shard_server.errors import ConfigError, RequestLimitError, TakedownsFailedError
from shard_server.near_copies import TokenIds, near_copies
from shard_server.shards import OpenShards
from shard_server.takedown_store import KeptTakedowns
from shard_server.takedowns import Takedowns

_MAX_FOUND = 1_000
# Of the documents concerned, whose copies are looked for in one call.
_MAX_ORIGINALS = 100
_UNNAMED = "unnamed"


def set_takedowns(
    request: shard_pb2.SetTakedownsRequest, shards: OpenShards, _config: ShardServerConfig
) -> shard_pb2.SetTakedownsResponse:
    """Answers `SetTakedowns`.

    Raises:
        RequestLimitError: one is no takedown, or of a kind that is unknown here; none of the list is obeyed then.
        ShardServerError: as `Takedowns.set`.
    """
    check_between("epoch", request.epoch, 1, 2**63 - 1)
    takedowns = tuple(map(_decoded, request.takedowns))
    _takedowns_of(shards).set(KeptTakedowns(request.epoch, shards.index.index_id, takedowns))
    return shard_pb2.SetTakedownsResponse(shards=described(shards))


def find_documents(
    request: shard_pb2.FindDocumentsRequest, shards: OpenShards, config: ShardServerConfig
) -> shard_pb2.FindDocumentsResponse:
    """Answers `FindDocuments`. Documents that are withheld already are found, but are no near copies.

    All documents together come with at most ``max_window_tokens`` token ids; the last may have fewer than asked for.

    Raises:
        RequestLimitError: a number is out of range, or there is no takedown that is known here.
        TakedownsFailedError: a file cannot be read.
    """
    view = shards.view(request.shard, request.index_id)
    check_between("max_documents", request.max_documents, 1, _MAX_FOUND)
    check_between("max_token_ids", request.max_token_ids, 0, config.max_query_tokens)
    if not 0 <= request.min_copied_share <= 1:
        raise RequestLimitError(f"min_copied_share is {request.min_copied_share}, expected 0 to 1")
    length = length_of("copied_token_ids", request.copied_token_ids, 4)
    check_between("copied_token_ids", length, 0, config.max_query_tokens)
    takedown = _decoded(request.takedown)
    finder = _takedowns_of(shards).finder(request.shard)
    try:
        is_meant = not takedown.index_ids or shards.index.index_id in takedown.index_ids
        concerned = finder.documents([takedown.target] if is_meant else []).tolist()
        if not request.min_copied_share:
            found = [(number, 0.0) for number in concerned]
        else:
            originals: list[TokenIds] = [np.frombuffer(request.copied_token_ids, "<u4")]
            if not length:
                originals = [finder.token_ids(number).astype("<u4") for number in concerned[:_MAX_ORIGINALS]]
            copies = near_copies(view.engine, originals, request.min_copied_share, finder.pause)
            left_out = set(concerned)
            found = [(copy.number, copy.share) for copy in copies if copy.number not in left_out]
        documents = []
        num_ids = config.max_window_tokens
        for number, share in found[: request.max_documents]:
            documents.append(_found(request, shards, finder, number, share, min(num_ids, request.max_token_ids)))
            num_ids -= len(documents[-1].token_ids) // 4
    except (OSError, IndexFormatError) as error:
        raise TakedownsFailedError(f"documents cannot be looked for: {error}") from error
    return shard_pb2.FindDocumentsResponse(documents=documents, num_documents=len(found))


def _found(
    request: shard_pb2.FindDocumentsRequest,
    shards: OpenShards,
    finder: TakedownFinder,
    number: int,
    share: float,
    num_ids: int,
) -> shard_pb2.FoundDocument:
    token_ids = finder.token_ids(number).astype("<u4")
    content = content_of(token_ids)
    return shard_pb2.FoundDocument(
        number=number,
        num_tokens=content.num_tokens,
        metadata=shards.by_number[request.shard].metadata(number),
        content=shard_pb2.ContentTarget(sha256=content.sha256, num_tokens=content.num_tokens),
        copied_share=share,
        token_ids=token_ids[:num_ids].tobytes(),
    )


def _takedowns_of(shards: OpenShards) -> Takedowns:
    if shards.takedowns is None:
        raise ConfigError("this server was opened without takedowns, its list cannot be changed")
    return shards.takedowns


def _decoded(message: shard_pb2.Takedown) -> Takedown:
    try:
        return Takedown(message.id or _UNNAMED, _target(message), tuple(message.index_ids))
    except TakedownError as error:
        raise RequestLimitError(f"takedown {message.id[:80]!r}: {error}") from None


def _target(message: shard_pb2.Takedown) -> Target:
    match message.WhichOneof("target"):
        case "document":
            document = message.document
            content = _content(document.content) if document.HasField("content") else None
            return DocumentTarget(document.index_id, document.shard, document.number, content)
        case "url":
            return UrlTarget(message.url)
        case "domain":
            return DomainTarget(message.domain)
        case "source":
            return SourceTarget(message.source)
        case "content":
            return _content(message.content)
        case _:
            raise TakedownError("has no target that this server knows; is the coordinator of a newer version?")


def _content(message: shard_pb2.ContentTarget) -> ContentTarget:
    return ContentTarget(message.sha256, message.num_tokens)
