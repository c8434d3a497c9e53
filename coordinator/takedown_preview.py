"""Which documents a takedown would concern, and which are near copies of those: found on all shards."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from coordinator.cluster.replica_set import ReplicaSet
from coordinator.corpus import Corpus
from coordinator.errors import NoShardAnsweredError
from coordinator.results import CorpusCoverage, Coverage
from coordinator.steps.fan_out import ask
from coordinator.steps.metadata import parse_metadata, source_of, url_of
from coordinator.takedown_search import DocumentQuery, FoundDocument, FoundDocuments
from coordinator.takedowns import TakedownDocument, TakedownPreview
from coordinator.values import DocumentId, FailedShard, ShardId
from index_format.takedowns import Takedown

MOST_COPIED = 20
"""Documents whose near copies are looked for, the first ones by id."""
# What a shard server looks up of one document: 2,000 windows, one every 8 token ids.
_MAX_TOKEN_IDS = 16_000


async def preview(
    takedown: Takedown,
    corpora: Sequence[Corpus],
    shards: Sequence[ReplicaSet],
    max_documents: int,
    min_copied_share: float,
    left_s: Callable[[], float],
) -> TakedownPreview:
    """Returns what ``takedown`` concerns in ``shards``, those of ``corpora``; with a share, near copies of that, too.

    Raises:
        NoShardAnsweredError: none did.
    """
    query = DocumentQuery(takedown, max_documents)
    found, failed = await _ask(shards, query, left_s())
    if not found:
        reasons = "; ".join(f"shard {one.shard}: {one.reason}" for one in failed)
        raise NoShardAnsweredError(f"no shard answered ({reasons})")
    documents = [_shown(shard, document) for shard, answer in found for document in answer.documents]
    copies: dict[DocumentId, TakedownDocument] = {}
    if min_copied_share:
        with_tokens, failed_later = await _ask(
            shards,
            replace(query, max_documents=min(max_documents, MOST_COPIED), max_token_ids=_MAX_TOKEN_IDS),
            left_s(),
        )
        failed += failed_later
        originals = [one.token_ids for _, answer in with_tokens for one in answer.documents]
        for token_ids in originals[:MOST_COPIED]:
            of_copies = replace(query, min_copied_share=min_copied_share, copied_token_ids=token_ids)
            answers, failed_later = await _ask(shards, of_copies, left_s())
            failed += failed_later
            for shard, answer in answers:
                for document in answer.documents:
                    id_ = DocumentId(*shard, document.number)
                    if id_ not in copies or copies[id_].copied_share < document.copied_share:
                        copies[id_] = _shown(shard, document)
    by_share = sorted(copies.items(), key=lambda item: (-item[1].copied_share, item[0]))
    return TakedownPreview(
        documents=tuple(documents[:max_documents]),
        num_documents=sum(answer.num_documents for _, answer in found),
        near_copies=tuple(document for _, document in by_share[:max_documents]),
        coverage=_coverage(corpora, shards, {one.shard: one for one in failed}),
    )


async def _ask(
    shards: Sequence[ReplicaSet], query: DocumentQuery, timeout_s: float
) -> tuple[list[tuple[ShardId, FoundDocuments]], list[FailedShard]]:
    async def of(shard: ReplicaSet) -> tuple[ShardId, FoundDocuments]:
        return shard.shard, await shard.find_documents(query, timeout_s)

    by_id = {shard.shard: shard for shard in shards}
    return await ask(shards, lambda shard: of(by_id[shard.shard]), timeout_s)


def _shown(shard: ShardId, document: FoundDocument) -> TakedownDocument:
    metadata = parse_metadata(document.metadata)
    return TakedownDocument(
        id=str(DocumentId(*shard, document.number)),
        source=source_of(metadata),
        url=url_of(metadata),
        num_tokens=document.num_tokens,
        content_sha256=document.content.sha256,
        copied_share=document.copied_share,
    )


def _coverage(corpora: Sequence[Corpus], shards: Sequence[ReplicaSet], failed: dict[ShardId, FailedShard]) -> Coverage:
    """Returns what was searched: all shards but the failed ones."""
    parts = []
    for corpus in corpora:
        ours = tuple(failed[shard] for shard in sorted(failed) if shard.corpus == corpus.name)
        answered = [one for one in shards if one.shard.corpus == corpus.name and one.shard not in failed]
        parts.append(
            CorpusCoverage(
                corpus=corpus.name,
                index_id=corpus.index.index_id,
                shards_asked=corpus.index.num_shards,
                shards_answered=len(answered),
                num_tokens=corpus.index.num_tokens,
                tokens_searched=sum(one.num_tokens for one in answered),
                failed_shards=ours,
            )
        )
    num_tokens = sum(part.num_tokens for part in parts)
    searched = sum(part.tokens_searched for part in parts)
    return Coverage(not failed, bool(failed), searched / num_tokens if num_tokens else float(not failed), tuple(parts))
