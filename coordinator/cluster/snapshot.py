"""What the cluster file and the indexes that it names said at one moment."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from coordinator.cluster.cluster_file import check_places, load_cluster_file
from coordinator.corpus import Corpus, check_corpora
from coordinator.values import ShardId
from index_format.layout import INDEX_MANIFEST
from index_format.manifest import IndexManifest
from index_format.tokenizer import Tokenizer, open_tokenizer


@dataclass(frozen=True, slots=True)
class ClusterSnapshot:
    """What is to be served, and where.

    Attributes:
        corpora: In the order of the file.
        tokenizer: The one of all corpora.
        addresses: The replicas of each shard, in the order of the file.
        files: Every file that was read for this, the tokenizer aside: a manifest names it by its hash.
        fingerprint: Hash of their content; see `fingerprint_of`.
    """

    corpora: tuple[Corpus, ...]
    tokenizer: Tokenizer
    addresses: Mapping[ShardId, tuple[str, ...]]
    files: tuple[Path, ...]
    fingerprint: str

    @property
    def index_ids(self) -> Mapping[str, str]:
        """The indexes of the corpora, by name."""
        return {corpus.name: corpus.index.index_id for corpus in self.corpora}

    def is_current(self) -> bool:
        """Returns whether the files still say the same. Reads them."""
        return fingerprint_of(self.files) == self.fingerprint


def read_cluster(path: Path, known: Tokenizer | None = None) -> ClusterSnapshot:
    """Returns what the cluster file at ``path`` says, checked as far as files go.

    ``known`` is a tokenizer that is open already; it is taken if it is the right one.

    Raises:
        ConfigurationError: the file is wrong, does not fit an index, or the corpora have different tokenizers.
        IndexFormatError: a manifest or the tokenizer is missing or not what it should be.
    """
    cluster = load_cluster_file(path)
    files = (path, *(corpus.index / INDEX_MANIFEST for corpus in cluster.corpora))
    # Before the manifests are read: what changes in between shows as another fingerprint at the next look.
    fingerprint = fingerprint_of(files)
    corpora = []
    addresses: dict[ShardId, tuple[str, ...]] = {}
    for places in cluster.corpora:
        index = IndexManifest.load(places.index)
        check_places(places, index)
        stage = index.stage if places.stage is None else places.stage
        corpora.append(Corpus(places.name, places.display_name or places.name, stage, index))
        for shard in sorted(places.shards, key=lambda shard: shard.shard):
            addresses[ShardId(places.name, shard.shard)] = shard.replicas
    check_corpora(corpora)
    if known is not None and known.sha256 == corpora[0].index.tokenizer_sha256:
        tokenizer = known
    else:
        tokenizer = open_tokenizer(cluster.corpora[0].index, corpora[0].index)
    return ClusterSnapshot(tuple(corpora), tokenizer, addresses, files, fingerprint)


def fingerprint_of(files: Sequence[Path]) -> str:
    """Returns a hash of the content of files, in which one that cannot be read counts as such."""
    digest = hashlib.sha256()
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as error:
            digest.update(f"unreadable {error.errno}\n".encode())
        else:
            digest.update(f"{len(content)}\n".encode())
            digest.update(content)
    return digest.hexdigest()
