"""The messages of the AdminService from and to the values of `coordinator.takedowns`."""

from collections.abc import Iterable

from coordinator.api.codec import decode_coverage, encode_coverage
from coordinator.errors import InvalidRequestError
from coordinator.takedowns import (
    ReplicaTakedowns,
    Takedown,
    TakedownDocument,
    TakedownPreview,
    TakedownsAdded,
    TakedownsLifted,
    TakedownsListed,
    TakedownState,
)
from protos.coordinator.v1 import coordinator_pb2 as pb


def encode_takedown(takedown: Takedown) -> pb.Takedown:
    """Returns the message of a takedown, which has one target, or none.

    Raises:
        InvalidRequestError: a field does not fit.
    """
    try:
        message = pb.Takedown(
            id=takedown.id,
            corpora=takedown.corpora,
            content_tokens=takedown.content_tokens,
            reason=takedown.reason,
            added_s=takedown.added_s,
            index_id=takedown.index_id,
            document_sha256=takedown.document_sha256,
        )
        kind = takedown.kind
        setattr(message, kind, getattr(takedown, kind))
    except (ValueError, TypeError) as error:  # lone surrogates, too
        raise InvalidRequestError(f"takedown {takedown.id!r:.80} does not fit its message") from error
    return message


def decode_takedown(message: pb.Takedown) -> Takedown:
    """Returns the takedown of a message."""
    return Takedown(
        id=message.id,
        corpora=tuple(message.corpora),
        document=message.document,
        url=message.url,
        domain=message.domain,
        source=message.source,
        content_sha256=message.content_sha256,
        content_tokens=message.content_tokens,
        reason=message.reason,
        added_s=message.added_s,
        index_id=message.index_id,
        document_sha256=message.document_sha256,
    )


def encode_added(added: TakedownsAdded) -> pb.AddTakedownsResponse:
    """Returns the answer to AddTakedowns."""
    return pb.AddTakedownsResponse(
        takedowns=map(encode_takedown, added.takedowns),
        state=_encode_state(added.state),
        newly_withheld_documents=added.newly_withheld_documents,
    )


def decode_added(response: pb.AddTakedownsResponse) -> TakedownsAdded:
    """Returns what AddTakedowns answered."""
    return TakedownsAdded(
        tuple(map(decode_takedown, response.takedowns)),
        _decode_state(response.state),
        response.newly_withheld_documents,
    )


def encode_lifted(lifted: TakedownsLifted) -> pb.LiftTakedownsResponse:
    """Returns the answer to LiftTakedowns."""
    return pb.LiftTakedownsResponse(state=_encode_state(lifted.state))


def decode_lifted(response: pb.LiftTakedownsResponse) -> TakedownsLifted:
    """Returns what LiftTakedowns answered."""
    return TakedownsLifted(_decode_state(response.state))


def encode_listed(listed: TakedownsListed) -> pb.ListTakedownsResponse:
    """Returns the answer to ListTakedowns."""
    return pb.ListTakedownsResponse(takedowns=map(encode_takedown, listed.takedowns), state=_encode_state(listed.state))


def decode_listed(response: pb.ListTakedownsResponse) -> TakedownsListed:
    """Returns what ListTakedowns answered."""
    return TakedownsListed(tuple(map(decode_takedown, response.takedowns)), _decode_state(response.state))


def encode_preview(preview: TakedownPreview) -> pb.PreviewTakedownResponse:
    """Returns the answer to PreviewTakedown."""
    return pb.PreviewTakedownResponse(
        documents=_encode_documents(preview.documents),
        num_documents=preview.num_documents,
        near_copies=_encode_documents(preview.near_copies),
        coverage=encode_coverage(preview.coverage),
    )


def decode_preview(response: pb.PreviewTakedownResponse) -> TakedownPreview:
    """Returns what PreviewTakedown answered."""
    return TakedownPreview(
        documents=_decode_documents(response.documents),
        num_documents=response.num_documents,
        near_copies=_decode_documents(response.near_copies),
        coverage=decode_coverage(response.coverage),
    )


def _encode_state(state: TakedownState) -> pb.TakedownState:
    return pb.TakedownState(
        epoch=state.epoch,
        replicas=[
            pb.ReplicaTakedowns(
                shard=replica.shard,
                address=replica.address,
                epoch=replica.epoch,
                withheld_documents=replica.withheld_documents,
                problem=replica.problem,
            )
            for replica in state.replicas
        ],
        unserved_ids=state.unserved_ids,
    )


def _decode_state(state: pb.TakedownState) -> TakedownState:
    return TakedownState(
        state.epoch,
        tuple(
            ReplicaTakedowns(replica.shard, replica.address, replica.epoch, replica.withheld_documents, replica.problem)
            for replica in state.replicas
        ),
        tuple(state.unserved_ids),
    )


def _encode_documents(documents: Iterable[TakedownDocument]) -> list[pb.TakedownDocument]:
    return [
        pb.TakedownDocument(
            id=document.id,
            source=document.source,
            url=document.url,
            num_tokens=document.num_tokens,
            content_sha256=document.content_sha256,
            copied_share=document.copied_share,
        )
        for document in documents
    ]


def _decode_documents(documents: Iterable[pb.TakedownDocument]) -> tuple[TakedownDocument, ...]:
    return tuple(
        TakedownDocument(
            document.id,
            document.source,
            document.url,
            document.num_tokens,
            document.content_sha256,
            document.copied_share,
        )
        for document in documents
    )
