"""The truth that the tests hold everything else to: brute force over token ids, obviously right, slow.

A corpus is a list of documents, a document a list of token ids. Nothing here imports what it judges.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

Document = Sequence[int]
UNSEEN_LOGPROB = -10_000.0


@dataclass(frozen=True, slots=True)
class Match:
    """A span ``[start, end)`` of the query that occurs ``count`` times."""

    start: int
    end: int
    count: int


# --- one shard: text, table, find ---------------------------------------------------------------------


def separator(width: int) -> int:
    """Returns the separator of a shard whose tokens have ``width`` bytes: all bits set."""
    return 256**width - 1


def text_of(documents: Sequence[Document], width: int) -> list[int]:
    """Returns the text of a shard: before each document a separator."""
    return [token for document in documents for token in (separator(width), *document)]


def token_bytes(tokens: Sequence[int], width: int) -> bytes:
    """Returns tokens as they stand in the file, low byte first."""
    return b"".join(token.to_bytes(width, "little") for token in tokens)


def suffix_bytes(text: Sequence[int], position: int, width: int) -> bytes:
    """Returns what a suffix is ordered by: its bytes to the end of the file, or up to and with its first separator."""
    suffix = list(text[position:])
    if separator(width) in suffix:
        suffix = suffix[: suffix.index(separator(width)) + 1]
    return token_bytes(suffix, width)


def suffix_table(text: Sequence[int], width: int) -> list[int]:
    """Returns all positions in the order of their suffixes, those of equal suffixes ascending.

    A prefix of another suffix comes before it: only one that the end of the file cuts off is.
    """
    return sorted(range(len(text)), key=lambda position: (suffix_bytes(text, position, width), position))


def find(text: Sequence[int], table: Sequence[int], query: Sequence[int]) -> tuple[int, int]:
    """Returns the ranks ``[start, end)`` of the suffixes that begin with ``query``; ``(0, 0)`` if none do."""
    wanted = list(query)
    ranks = [rank for rank, position in enumerate(table) if list(text[position : position + len(wanted)]) == wanted]
    if not ranks:
        return (0, 0)
    assert ranks == list(range(ranks[0], ranks[-1] + 1)), "suffixes with one beginning are neighbours"
    return (ranks[0], ranks[-1] + 1)


def locate(documents: Sequence[Document], position: int) -> tuple[int, int]:
    """Returns the document of a position of the shard's text, and the offset in it: -1 at its separator."""
    for number, document in enumerate(documents):
        if position <= len(document):
            return (number, position - 1)
        position -= len(document) + 1
    raise IndexError(position)


def window(document: Document, start: int, length: int, context: int) -> tuple[int, int]:
    """Returns the part of a document within ``context`` tokens of ``[start, start + length)``."""
    return (max(0, start - context), min(len(document), start + length + context))


# --- a corpus: counts and matches ---------------------------------------------------------------------


def count(documents: Sequence[Document], query: Sequence[int]) -> int:
    """Returns how often ``query`` (not empty) occurs in the documents, overlapping occurrences included."""
    wanted = list(query)
    return sum(
        list(document[start : start + len(wanted)]) == wanted
        for document in documents
        for start in range(len(document) - len(wanted) + 1)
    )


def occurs(documents: Sequence[Document], query: Sequence[int]) -> bool:
    """Returns whether ``query`` occurs in a document; the empty query does."""
    return not query or count(documents, query) > 0


def longest_matches(
    documents: Sequence[Document], query: Sequence[int], word_starts: Sequence[int], cuts: Sequence[int]
) -> list[Match]:
    """Returns the longest allowed match at every allowed start, those of length zero left out.

    The order of the steps is that of the reference system: longest occurring prefix, cut after the first
    delimiter, back to a word boundary.
    """
    matches = []
    for start in sorted(word_starts):
        end = start
        while end < len(query) and occurs(documents, query[start : end + 1]):
            end += 1
        end = min([end, *(cut for cut in cuts if cut > start)])
        while end > start and end != len(query) and end not in word_starts:
            end -= 1
        if end > start:
            matches.append(Match(start, end, count(documents, query[start:end])))
    return matches


def maximal_in_shard(matches: Sequence[Match]) -> list[Match]:
    """Returns the matches, ascending by start, that end after every match that begins earlier: no other contains them.

    A shard returns only these. One left out ends no later in this shard than an earlier one; so it is inside that one
    in the whole corpus too, or another shard has a longer match at its start, and returns that.
    """
    return [m for m in matches if all(m.end > earlier.end for earlier in matches if earlier.start < m.start)]


def maximal_spans(matches: Sequence[Match], min_tokens: int = 1, max_count: int = 1_000_000) -> list[Match]:
    """Returns the matches inside no other, after those too short or too frequent have been dropped."""
    allowed = [m for m in matches if m.end - m.start >= min_tokens and m.count <= max_count]
    return [
        m for m in allowed if not any(o != m and o.start <= m.start and m.end <= o.end for o in allowed)
    ]  # two matches never are the same span: each has a start of its own


def allowed_spans(
    documents: Sequence[Document], query: Sequence[int], word_starts: Sequence[int], cuts: Sequence[int]
) -> list[tuple[int, int]]:
    """Returns every span that the definition allows: it occurs, of whole words, no delimiter inside."""
    ends = {*word_starts, len(query)}
    return [
        (start, end)
        for start in word_starts
        for end in range(start + 1, len(query) + 1)
        if end in ends and not any(start < cut < end for cut in cuts) and occurs(documents, query[start:end])
    ]


# --- a corpus: unigrams and kept spans ----------------------------------------------------------------


def unigram_counts(documents: Sequence[Document], width: int) -> Counter[int]:
    """Returns how often each token id occurs, the separator included."""
    return Counter(text_of(documents, width))


def unigram_logprob_sum(counts: Counter[int], tokens: Sequence[int]) -> float:
    """Returns the sum of ln(count / total) over ``tokens``; `UNSEEN_LOGPROB` for an absent one."""
    total = counts.total()
    return sum(math.log(counts[t]) - math.log(total) if counts[t] else UNSEEN_LOGPROB for t in tokens)


def kept_spans(
    spans: Sequence[Match], query: Sequence[int], counts: Counter[int], density: float = 0.05
) -> list[Match]:
    """Returns the ceil(density x query) least likely spans (the earlier of two alike), in query order."""
    by_likelihood = sorted(spans, key=lambda span: unigram_logprob_sum(counts, query[span.start : span.end]))
    return sorted(by_likelihood[: math.ceil(density * len(query))], key=lambda span: span.start)
