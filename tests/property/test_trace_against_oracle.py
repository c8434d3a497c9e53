"""Whole traces of random answers with random options, in process, against the oracle over the documents."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headwater
from coordinator.requests import TraceOptions
from coordinator.results import Trace
from headwater.embedded import EmbeddedIndex
from index_format.tokenizer import ByteTokenizer, Tokenizer
from tests import oracle
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = (
    "the river runs past the mill. the mill grinds the corn.\n",
    "7 rivers run past 7 mills, and the corn is ground.",
    "naïve café by the river 水の音, the river runs.\n\n",
    "the mill. the mill. the mill. the mill. the mill.",
    "",
    "🌊 the river runs past the mill 🌊",
)


@dataclass(frozen=True, slots=True)
class Indexed:
    """An open index, and what it was made of."""

    index: EmbeddedIndex
    tokenizer: Tokenizer
    documents: list[list[int]]
    width: int


@pytest.fixture(scope="module", params=["bytes over 1 shard", "byte-level BPE over 3 shards with sidecars"])
def indexed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Indexed]:
    raw = request.param.startswith("bytes")
    tokenizer: Tokenizer = ByteTokenizer() if raw else byte_level_tokenizer(TEXTS, vocab_size=300)
    shards = [TEXTS] if raw else [TEXTS[number::3] for number in range(3)]
    directory: Path = write_index(tmp_path_factory.mktemp("index"), shards, tokenizer, accelerated=not raw)
    documents = [ids.tolist() for ids in tokenizer.encode_batch(TEXTS)]
    with headwater.open(directory) as index:
        yield Indexed(index, tokenizer, documents, 1 if raw else 2)


PIECES = st.builds(
    lambda text, start, length: text[start : start + length],
    st.sampled_from(TEXTS),
    st.integers(0, 40),
    st.integers(1, 40),
)
NOISE = st.sampled_from([" ", "\n", ".", "7", "é", "水", "🌊", "zebra ", "the "])
ANSWERS = st.lists(st.one_of(PIECES, NOISE), min_size=1, max_size=6).map("".join).filter(str.strip)
OPTIONS = st.builds(
    TraceOptions,
    delimiters=st.sampled_from([("\n", "."), (), (".",)]),
    allow_partial_words=st.booleans(),
    min_span_tokens=st.integers(1, 5),
    max_count=st.sampled_from([1, 3, 1_000_000]),
    max_span_density=st.sampled_from([0.05, 0.3]),
    max_occurrences_per_span=st.sampled_from([1, 2, 10]),
    context_tokens=st.sampled_from([5, 20, 250]),
    snippet_tokens=st.sampled_from([0, 2, 5]),
)


@given(answer=ANSWERS, options=OPTIONS)
def test_a_trace_is_what_the_oracle_says(indexed: Indexed, answer: str, options: TraceOptions) -> None:
    trace = indexed.index.trace(answer, "prompt", options)
    query = indexed.tokenizer.encode(answer)
    ids = query.token_ids.tolist()
    starts = list(range(len(ids))) if options.allow_partial_words else np.flatnonzero(query.word_starts).tolist()
    delimiters = {id_ for text in options.delimiters for id_ in indexed.tokenizer.ids_of(text)}
    cuts = [position + 1 for position, id_ in enumerate(ids) if id_ in delimiters]
    matches = oracle.longest_matches(indexed.documents, ids, starts, cuts)
    spans = oracle.maximal_spans(matches, options.min_span_tokens, options.max_count)
    counts = oracle.unigram_counts(indexed.documents, indexed.width)
    kept = oracle.kept_spans(spans, ids, counts, options.max_span_density)
    assert (trace.num_tokens, trace.num_maximal_spans) == (len(ids), len(spans))
    assert [(s.start, s.end, s.count) for s in trace.spans] == [(m.start, m.end, m.count) for m in kept]
    check_texts(trace, options)


def check_texts(trace: Trace, options: TraceOptions) -> None:
    """Checks that what is shown is text of the answer and of documents, and refers to one another."""
    for span in trace.spans:
        assert span.text == trace.answer[span.start_char : span.end_char]
        assert 1 <= len(span.documents) <= min(span.count, options.max_occurrences_per_span)
    for number, document in enumerate(trace.documents):
        assert {snippet.span for snippet in document.snippets} <= set(document.spans)
        assert all(number in trace.spans[span].documents for span in document.spans)
        for snippet in document.snippets:
            shown = snippet.text[snippet.start_char : snippet.end_char]
            # A span that begins or ends inside a character is shown with what its window made of the rest.
            assert shown == trace.spans[snippet.span].text or "\ufffd" in snippet.text or options.allow_partial_words
    scores = [document.score for document in trace.documents]
    assert scores == sorted(scores, reverse=True)
    assert trace.coverage.complete


@given(answer=ANSWERS)
def test_equal_requests_give_equal_traces(indexed: Indexed, answer: str) -> None:
    first, second = (indexed.index.trace(answer, "prompt") for _ in range(2))
    assert dataclasses.replace(first, timings=second.timings) == second


@given(text=ANSWERS)
def test_a_count_is_the_oracles(indexed: Indexed, text: str) -> None:
    ids = indexed.tokenizer.encode(text).token_ids.tolist()
    assert indexed.index.count(text).count == oracle.count(indexed.documents, ids)
