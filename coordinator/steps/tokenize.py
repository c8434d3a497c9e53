"""Step 1: an answer becomes tokens, and where its spans may start and end is fixed.

Law: the character offsets tile the text; allowed starts, ends and cuts travel with the query, so that every shard
returns the longest *allowed* match and their union is exact.
"""

import numpy as np

from coordinator.errors import InvalidRequestError
from coordinator.requests import TraceOptions
from coordinator.values import Query
from index_format.tokenizer import Tokenizer


def tokenize(text: str, tokenizer: Tokenizer, options: TraceOptions) -> Query:
    """Returns ``text`` as a query.

    Raises:
        InvalidRequestError: a delimiter is not the text of a single token, so no span could be cut at it.
    """
    encoded = tokenizer.encode(text)
    num_tokens = len(encoded.token_ids)
    if options.allow_partial_words:
        word_starts = np.arange(num_tokens, dtype=np.uint32)
    else:
        word_starts = np.flatnonzero(encoded.word_starts).astype(np.uint32)
    is_delimiter = np.isin(encoded.token_ids, _delimiter_ids(tokenizer, options))
    return Query(
        text=text,
        token_ids=encoded.token_ids,
        boundaries=encoded.boundaries,
        word_starts=word_starts,
        cuts=(np.flatnonzero(is_delimiter) + 1).astype(np.uint32),
    )


def whole_text(text: str, tokenizer: Tokenizer) -> Query:
    """Returns ``text`` as a query that only matches as a whole: its one match starts at 0 and ends at the end."""
    encoded = tokenizer.encode(text)
    return Query(
        text=text,
        token_ids=encoded.token_ids,
        boundaries=encoded.boundaries,
        word_starts=np.zeros(min(1, len(encoded.token_ids)), dtype=np.uint32),
        cuts=np.zeros(0, dtype=np.uint32),
    )


def _delimiter_ids(tokenizer: Tokenizer, options: TraceOptions) -> list[int]:
    ids: set[int] = set()
    for place, delimiter in enumerate(options.delimiters):
        found = tokenizer.ids_of(delimiter)
        if not found:
            raise InvalidRequestError(
                f"delimiters[{place}], of {len(delimiter)} characters, is not one token of this index's tokenizer",
                field="options.delimiters",
            )
        ids |= found
    return sorted(ids)
