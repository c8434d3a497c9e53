"""Whether a coordinator can answer now, and from how much of each corpus."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CorpusReadiness:
    """How much of one corpus can be searched now.

    Attributes:
        corpus: Its name.
        share_searchable: Share of its positions whose shard has a server that answers, 0 to 1.
        reason: Why it is less than 1; names shards and servers, no content. Empty if it is 1.
    """

    corpus: str
    share_searchable: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests should be sent here.

    ``ready`` is true as soon as any shard can be searched: a coordinator that misses some is better than none, and says
    so in each answer. ``reason`` is why it is not ready.
    """

    ready: bool
    corpora: tuple[CorpusReadiness, ...] = ()
    reason: str = ""
