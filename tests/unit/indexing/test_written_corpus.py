from dataclasses import asdict

import pytest

from indexing.chunks import Chunk, SourceCounts
from indexing.errors import EmptyCorpusError, PlanError
from indexing.written_corpus import TokenizedCorpus


def chunk(*sources: SourceCounts, examples: tuple[str, ...] = ()) -> Chunk:
    documents, tokens = (sum(getattr(one, name) for one in sources) for name in ("num_documents", "num_tokens"))
    return Chunk(1, documents, tokens, 2, 100 * documents, examples, sources)


CHUNKS = (
    chunk(SourceCounts("a", 2, 20, 70, 1, 0), SourceCounts("b", 1, 10, 40, 0, 2), examples=("b:1", "b:2")),
    chunk(SourceCounts("b", 3, 30, 90, 4, 8), examples=("b:7", "b:8")),
)


def test_sums_over_sources_are_those_of_the_chunks_for_the_corpus_too() -> None:
    corpus = TokenizedCorpus.of(CHUNKS)
    assert corpus.sources == (SourceCounts("a", 2, 20, 70, 1, 0), SourceCounts("b", 4, 40, 130, 4, 10))
    assert [(one.text_bytes, one.skipped_empty, one.skipped_bad) for one in (*CHUNKS, corpus)] == [
        (110, 1, 2),
        (90, 4, 8),
        (200, 5, 10),
    ]
    assert corpus.bad_examples == ("b:1", "b:2", "b:7")
    assert TokenizedCorpus.from_json(asdict(corpus)) == corpus


def test_a_corpus_has_to_fill_its_shards() -> None:
    TokenizedCorpus.of(CHUNKS).check_fills(6, "a")
    with pytest.raises(PlanError, match="6 documents cannot fill 7 shards; use --shards 6 or fewer"):
        TokenizedCorpus.of(CHUNKS).check_fills(7, "a")
    with pytest.raises(EmptyCorpusError, match="3 empty documents, 4 bad lines"):
        TokenizedCorpus.of([chunk(SourceCounts("a", 0, 0, 0, 3, 4))]).check_fills(1, "a")
