"""Corpora of short texts, answers made of pieces of them, and options, for whole traces by brute force."""

from hypothesis import strategies as st

from coordinator.requests import SpanRanking, TraceOptions, TraceRequest
from tests.oracle_shard import CorpusTexts

Corpora = dict[str, CorpusTexts]

# Few words, so that they recur, and both delimiters.
_WORDS = st.sampled_from(["a", "b", "ab", " ", " ", ".", "\n"])
TEXTS = st.lists(_WORDS, max_size=8).map("".join)
_SHARDS = st.lists(st.lists(TEXTS, min_size=1, max_size=3), min_size=1, max_size=3)
OPTIONS = st.builds(
    TraceOptions,
    delimiters=st.sampled_from([("\n", "."), ()]),
    allow_partial_words=st.booleans(),
    min_span_tokens=st.integers(1, 3),
    max_count=st.sampled_from([2, 1_000_000]),
    max_span_density=st.sampled_from([0.3, 1.0]),
    span_ranking=st.sampled_from(SpanRanking),
    max_occurrences_per_span=st.sampled_from([1, 2, 10]),
    context_tokens=st.sampled_from([2, 250]),
    snippet_tokens=st.sampled_from([0, 2]),
    seed=st.integers(0, 3),
)


@st.composite
def corpora(draw: st.DrawFn, min_size: int = 1) -> Corpora:
    """Draws ``min_size`` to three corpora of one to three shards, listed in any order."""
    names = draw(st.lists(st.sampled_from(["mid", "post", "pre"]), min_size=min_size, max_size=3, unique=True))
    return {name: draw(_SHARDS) for name in names}


@st.composite
def requests(draw: st.DrawFn, served: Corpora) -> TraceRequest:
    """Draws an answer of pieces of what is served and of noise, to be traced in all corpora."""
    texts = [text for shards in served.values() for shard in shards for text in shard]
    pieces = st.lists(st.one_of(st.sampled_from(texts), TEXTS), min_size=1, max_size=4).map("".join)
    answer = draw(pieces.filter(str.strip))
    return TraceRequest(answer, draw(TEXTS), draw(OPTIONS))
