"""The statistics of an index, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens a document, separators not counted.

    ``histogram[i]`` counts the documents of 2^(i-1) to below 2^i tokens; ``histogram[0]`` those without any. The median
    is right to about 5 %.
    """

    shortest: int
    longest: int
    mean: float
    median: int
    histogram: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RepeatShare:
    """The share of tokens at which a passage of ``length`` tokens begins that occurs again in the same shard."""

    length: int
    share: float


@dataclass(frozen=True, slots=True)
class Repeats:
    """How much of the text repeats, from the LCPs of the suffixes that are neighbours in the order.

    ``lcp_histogram[k]`` counts the suffixes that share exactly k tokens with the one before, the last entry those that
    share 255 or more; no comparison goes past a document's end. ``begins_histogram[k]`` counts the tokens at which the
    longest passage that occurs again has k tokens. Both are of the ranks that were looked at.
    """

    ranks_looked_at: int
    lcp_histogram: tuple[int, ...]
    begins_histogram: tuple[int, ...]
    shares: tuple[RepeatShare, ...]


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Documents with the same tokens: how many, how long each, the first of them, and how it begins."""

    num_documents: int
    num_tokens: int
    shard: int
    document: int
    beginning: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Documents whose tokens are, one for one, those of an earlier document, in any shard.

    The first of each group is not counted. Of ``documents_looked_at`` documents with ``tokens_looked_at`` tokens; in a
    sample these are chosen by how they begin and how long they are, so that equal ones are all in it or all left out.
    """

    documents_looked_at: int
    tokens_looked_at: int
    num_groups: int
    num_documents: int
    num_tokens: int
    largest: tuple[DuplicateGroup, ...]


@dataclass(frozen=True, slots=True)
class FrequentToken:
    """A token, its text (what is no UTF-8 alone is replaced), and how often it occurs."""

    token_id: int
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class TokenUse:
    """Which entries of the vocabulary occur. ``text_bytes`` is the UTF-8 text that all tokens stand for."""

    text_bytes: int
    num_entries: int
    num_unused: int
    most_frequent: tuple[FrequentToken, ...]
    unused_examples: tuple[FrequentToken, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """The documents with one value of a field."""

    value: str
    num_documents: int
    num_tokens: int


@dataclass(frozen=True, slots=True)
class Sources:
    """Documents and tokens by a field of the metadata, the most tokens first.

    ``others`` is what is not in ``largest``. ``num_values`` is exact unless ``is_cut_off``: then there were too many
    values to count each, and those first met late are among the others.
    """

    field: str
    documents_looked_at: int
    num_values: int
    is_cut_off: bool
    largest: tuple[Source, ...]
    others: Source


@dataclass(frozen=True, slots=True)
class IndexStatistics:
    """What an index holds. Parts that its files do not tell are None: no sidecars, no unigrams, no metadata."""

    index_id: str
    num_shards: int
    num_documents: int
    num_tokens: int
    token_width: int
    sample: float | None
    seed: int
    lengths: Lengths
    repeats: Repeats | None
    duplicates: Duplicates
    tokens: TokenUse | None
    sources: Sources | None
    notes: tuple[str, ...]
    stage_seconds: tuple[tuple[str, float], ...]
