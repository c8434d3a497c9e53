"""Corpora and queries small enough for brute force, from alphabets small enough for matches."""

import itertools
from dataclasses import dataclass

from hypothesis import strategies as st

# Ids whose order by bytes (low byte first) is not their order as numbers, and the extremes of each width.
ALPHABETS = {
    1: (0, 1, 2, 10, 127, 128, 254),
    2: (0, 1, 2, 255, 256, 257, 511, 65_280, 65_534),
    4: (0, 1, 255, 256, 511, 65_280, 65_535, 65_536, 16_777_216, 4_278_190_080, 4_294_967_294),
}
WIDTHS = tuple(ALPHABETS)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents of tokens ``width`` bytes wide, all from ``alphabet``."""

    width: int
    alphabet: tuple[int, ...]
    documents: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True)
class Query:
    """What a shard is asked: tokens, positions where words start, and those no match reaches past."""

    tokens: tuple[int, ...]
    word_starts: tuple[int, ...]
    cuts: tuple[int, ...]


@st.composite
def corpora(draw: st.DrawFn, width: int | None = None, max_documents: int = 12, max_tokens: int = 12) -> Corpus:
    """Draws 1 to ``max_documents`` documents, some empty, some repeated, over two to four token ids."""
    chosen = draw(st.sampled_from(WIDTHS)) if width is None else width
    alphabet = tuple(draw(st.lists(st.sampled_from(ALPHABETS[chosen]), min_size=2, max_size=4, unique=True)))
    document = st.lists(st.sampled_from(alphabet), max_size=max_tokens).map(tuple)
    documents = draw(st.lists(document, min_size=1, max_size=max_documents))
    repeated = draw(st.lists(st.sampled_from(documents), max_size=max(0, max_documents - len(documents)), unique=True))
    return Corpus(chosen, alphabet, (*documents, *repeated))


@st.composite
def queries(draw: st.DrawFn, corpus: Corpus, max_tokens: int = 16) -> Query:
    """Draws a query: noise, pieces of the corpus, and now and then a token that the corpus does not hold."""
    token = st.sampled_from(corpus.alphabet)
    absent = st.sampled_from([id_ for id_ in ALPHABETS[corpus.width] if id_ not in corpus.alphabet])
    noise = st.lists(st.one_of(token, token, absent), max_size=4).map(tuple)
    pieces = draw(st.lists(st.one_of(noise, piece_of(corpus)), min_size=1, max_size=4))
    tokens = tuple(token for piece in pieces for token in piece)[:max_tokens] or (draw(token),)
    word_starts = draw(st.sets(st.integers(0, len(tokens) - 1)))
    cuts = draw(st.sets(st.integers(1, len(tokens)), max_size=3))
    return Query(tokens, tuple(sorted(word_starts)), tuple(sorted(cuts)))


@st.composite
def piece_of(draw: st.DrawFn, corpus: Corpus) -> tuple[int, ...]:
    """Draws a run of tokens of a document, perhaps all of it, perhaps none."""
    document = draw(st.sampled_from(corpus.documents))
    start = draw(st.integers(0, len(document)))
    return document[start : draw(st.integers(start, len(document)))]


@st.composite
def splits(draw: st.DrawFn, corpus: Corpus, max_shards: int = 4) -> list[tuple[tuple[int, ...], ...]]:
    """Draws shards that together hold the documents of ``corpus``, each at least one, in any order."""
    documents = draw(st.permutations(corpus.documents))
    num_shards = draw(st.integers(1, min(max_shards, len(documents))))
    borders = draw(
        st.sets(st.integers(1, len(documents) - 1), min_size=num_shards - 1, max_size=num_shards - 1)
        if num_shards > 1
        else st.just(set())
    )
    edges = [0, *sorted(borders), len(documents)]
    return [tuple(documents[start:end]) for start, end in itertools.pairwise(edges)]
