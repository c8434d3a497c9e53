"""What a takedown would concern in an index directory, looked up in this process: no server, nothing changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import suffix_engine
from coordinator.corpus import DEFAULT_NAME
from coordinator.errors import DocumentNotFoundError
from coordinator.steps.metadata import parse_metadata, source_of, url_of
from coordinator.takedowns import TakedownDocument
from headwater.embedded_takedowns import without
from index_format.layout import shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from index_format.removed_documents import load_removed
from index_format.takedown_resolution import TakedownFinder, content_of
from index_format.takedowns import DocumentTarget, Target
from shard_server.near_copies import TokenIds, near_copies

# Of the documents concerned, whose copies are looked for.
_MAX_ORIGINALS = 100


@dataclass(frozen=True, slots=True)
class OfflinePreview:
    """The documents that a takedown would concern, how many there are in all, and near copies that it would not."""

    documents: tuple[TakedownDocument, ...]
    num_documents: int
    near_copies: tuple[TakedownDocument, ...]


def document_target(directory: Path, shard: int, number: int) -> DocumentTarget:
    """Returns the target of one document of an index, with its content, so that it holds in later generations too.

    Raises:
        IndexFormatError: there is no index, or its files are not as published.
        DocumentNotFoundError: it has no such document.
    """
    index = IndexManifest.load(directory)
    if not 0 <= shard < index.num_shards:
        raise DocumentNotFoundError(f"document {shard}:{number}: the index has shards 0 to {index.num_shards - 1}")
    manifest = index.load_shard(directory, shard)
    if not 0 <= number < manifest.num_documents:
        raise DocumentNotFoundError(
            f"document {shard}:{number}: shard {shard} has documents 0 to {manifest.num_documents - 1}"
        )
    finder = TakedownFinder(directory / shard_folder(shard), index.index_id, manifest)
    return DocumentTarget(index.index_id, shard, number, content_of(finder.token_ids(number)))


def preview(
    directory: Path,
    target: Target,
    max_documents: int,
    min_copied_share: float = 0.0,
    corpus: str = DEFAULT_NAME,
) -> OfflinePreview:
    """Returns what a takedown of ``target`` would concern in an index; ids begin with ``corpus``.

    Near copies, of those documents that are returned, are looked for with ``min_copied_share`` > 0 only
    (`shard_server.near_copies`); documents that were removed from the index are none.

    Raises:
        IndexFormatError: there is no index, or its files are not as published.
        EngineError: the files of a shard contradict one another.
    """
    index = IndexManifest.load(directory)
    shards = [_Shard(directory, index, manifest, corpus) for manifest in index.load_shards(directory)]
    concerned = [shard.finder.documents([target]).tolist() for shard in shards]
    places = [(shard, number) for shard, numbers in zip(shards, concerned, strict=True) for number in numbers]
    shown = places[:max_documents]
    copies: list[TakedownDocument] = []
    if min_copied_share:
        originals = [shard.finder.token_ids(number).astype("<u4") for shard, number in shown[:_MAX_ORIGINALS]]
        for shard, numbers in zip(shards, concerned, strict=True):
            copies.extend(shard.near_copies(originals, min_copied_share, set(numbers)))
        copies.sort(key=lambda copy: -copy.copied_share)
    documents = tuple(shard.document(number) for shard, number in shown)
    return OfflinePreview(documents, len(places), tuple(copies[:max_documents]))


class _Shard:
    """One shard of the index, opened when it is needed."""

    def __init__(self, directory: Path, index: IndexManifest, manifest: ShardManifest, corpus: str):
        folder = directory / shard_folder(manifest.shard)
        self.finder = TakedownFinder(folder, index.index_id, manifest)
        self._id = f"{corpus}:{manifest.shard}"
        self._plain = suffix_engine.ShardIndex.open(
            folder, token_width=manifest.token_width, pool=suffix_engine.ThreadPool(1)
        )
        (removed,) = load_removed(directory, index, [manifest])
        self._present, _ = without(self._plain, removed)

    def document(self, number: int, copied_share: float = 0.0) -> TakedownDocument:
        """Returns what is told of a document."""
        metadata = parse_metadata(self._plain.metadata(number))
        content = content_of(self.finder.token_ids(number))
        return TakedownDocument(
            id=f"{self._id}:{number}",
            source=source_of(metadata),
            url=url_of(metadata),
            num_tokens=content.num_tokens,
            content_sha256=content.sha256,
            copied_share=copied_share,
        )

    def near_copies(
        self, originals: Sequence[TokenIds], min_share: float, concerned: set[int]
    ) -> Iterator[TakedownDocument]:
        """Yields the documents here that are near copies of ``originals`` and not concerned themselves."""
        for copy in near_copies(self._present, originals, min_share):
            if copy.number not in concerned:
                yield self.document(copy.number, copy.share)
