"""The whole embedded trace against a straight transcription of OLMoTrace's rules, on tiny and on real text."""

import io
import itertools
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import tokenizers
import zstandard

import headwater
import suffix_engine
from coordinator.results import Trace
from index_format.layout import TOKENIZER_FILE, shard_folder
from index_format.tokenizer import JsonTokenizer
from tests import oracle, reference_rules
from tests.reference_rules import DocumentKey, FoundSpan
from tests.tiny_index import byte_level_tokenizer, write_index

WORD_LISTS = (
    ("the river", "a mill", "the corn", "naïve 水", "the old miller"),
    (" runs", " grinds", " sleeps by", " sees"),
    (" the river.", " the corn", " a café\n", " the mill, the mill.", " 7 rivers"),
)
SENTENCES = ["".join(parts) for parts in itertools.product(*WORD_LISTS)]

# Random reads of the search for one start in one shard, on average over all answers.
READS_PER_SUFFIX = 3.0

# rank-bm25 scores one or two texts below zero, the more they match; there ours departs from it on purpose.
GUARDED_WINDOWS = 2


class IndexedCorpus:
    """An index read token by token, as `reference_rules` asks for it."""

    def __init__(self, directory: Path, num_shards: int) -> None:
        pool = suffix_engine.ThreadPool(1)
        self.shards = [
            suffix_engine.ShardIndex.open(directory / shard_folder(number), token_width=2, pool=pool)
            for number in range(num_shards)
        ]
        self._tokenizer = tokenizers.Tokenizer.from_file(str(directory / TOKENIZER_FILE))

    @cached_property
    def documents(self) -> list[list[list[int]]]:
        found = []
        for shard in self.shards:
            text = np.frombuffer(shard.tokens(0, shard.num_tokens), dtype="<u4")
            borders = [*np.flatnonzero(text == 2**32 - 1).tolist(), len(text)]
            found.append([text[start + 1 : end].tolist() for start, end in itertools.pairwise(borders)])
        return found

    def find(self, token_ids: Sequence[int]) -> list[tuple[int, int]]:
        return [(n, rank) for n, shard in enumerate(self.shards) for rank in range(*shard.find(token_ids))]

    def locate(self, shard: int, rank: int) -> tuple[DocumentKey, int]:
        positions = np.frombuffer(self.shards[shard].positions([rank]), dtype="<u8")
        document, offset = oracle.locate(self.documents[shard], int(positions[0]))
        return (shard, document), offset

    def tokens(self, document: DocumentKey) -> Sequence[int]:
        return self.documents[document[0]][document[1]]

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=False)

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text, add_special_tokens=False).ids


def check(trace: Trace, corpus: IndexedCorpus, prompt: str) -> None:
    """Checks everything that follows from the kept spans of a trace."""
    token_ids = corpus.encode(trace.answer)
    spans = [FoundSpan(s.start, s.end, corpus.find(token_ids[s.start : s.end])) for s in trace.spans]
    assert [s.count for s in trace.spans] == [len(s.occurrences) for s in spans]
    retrieved = reference_rules.retrieve(spans, corpus)
    reference_rules.score(retrieved, prompt, trace.answer)
    if len(retrieved) <= GUARDED_WINDOWS:
        set_scores(retrieved, trace)
    check_documents(trace, reference_rules.merge_documents(retrieved))
    flat = reference_rules.flatten_spans(spans)
    assert [(m.start, m.end, m.spans) for m in trace.merged_spans] == [(f.left, f.right, tuple(f.nested)) for f in flat]


def set_scores(retrieved: list[reference_rules.RetrievedDocument], trace: Trace) -> None:
    """Sets our own scores, positive ones, so that the rest of the rules can be checked."""
    scores = {(document.id.shard, document.id.number): document.score for document in trace.documents}
    assert all(score >= 0 for score in scores.values())
    for found in retrieved:
        found.score = scores[found.document]


def check_documents(trace: Trace, wanted: list[reference_rules.MappedDocument]) -> None:
    by_key = {document.document: document for document in wanted}
    found = [(document.id.shard, document.id.number) for document in trace.documents]
    assert sorted(found) == sorted(by_key)
    # Documents with equal scores may stand in any order to the rules; ours are then ordered by document.
    assert [by_key[key].score for key in found] == pytest.approx([d.score for d in wanted], abs=1e-9)
    for document, key in zip(trace.documents, found, strict=True):
        expected = by_key[key]
        assert document.score == pytest.approx(expected.score, abs=1e-9)
        assert document.relevance == reference_rules.relevance(expected.score, trace.answer)
        assert document.text == expected.text_long
        assert set(document.spans) == expected.spans
        assert [snippet.start for snippet in document.snippets] == expected.starts
        for snippet, text in zip(document.snippets, expected.snippets, strict=True):
            # Cut out of the window here, decoded by itself there: that may lose a space or split a character.
            assert snippet.text.strip() == text.strip() or "\ufffd" in text


def documents_of_sentences(number: int) -> list[str]:
    generator = np.random.default_rng(seed=5)
    return [" ".join(generator.choice(SENTENCES, size=generator.integers(1, 25))) for _ in range(number)]


@pytest.fixture(scope="module", params=[(1, True), (3, False)], ids=["1 shard with sidecars", "3 shards without"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    num_shards, accelerated = request.param
    texts = documents_of_sentences(60)
    shards = [texts[number::num_shards] for number in range(num_shards)]
    tokenizer = byte_level_tokenizer(texts)
    yield write_index(tmp_path_factory.mktemp("tiny"), shards, tokenizer, accelerated=accelerated), num_shards


@pytest.mark.parametrize("seed", range(8))
def test_a_trace_of_a_tiny_index_follows_the_rules(tiny: tuple[Path, int], seed: int) -> None:
    directory, num_shards = tiny
    generator = np.random.default_rng(seed)
    words = " ".join(generator.choice(SENTENCES, size=6)).split(" ")
    # Words swapped here and there, so that spans are pieces of sentences.
    for _ in range(6):
        words[generator.integers(len(words))] = str(generator.choice(words))
    answer, prompt = " ".join(words), "Which river runs by the mill?"
    corpus = IndexedCorpus(directory, num_shards)
    with headwater.open(directory, redaction="off") as index:
        trace = index.trace(answer, prompt)
    assert trace.spans
    check_kept_spans(trace, corpus)
    check(trace, corpus, prompt)


@pytest.mark.usefixtures("leaves_nothing_behind")
def test_a_closed_index_leaves_no_thread_and_no_open_file(tiny: tuple[Path, int]) -> None:
    with headwater.open(tiny[0], redaction="off") as index:
        assert index.trace("the river runs the mill.").spans


def check_kept_spans(trace: Trace, corpus: IndexedCorpus) -> None:
    """Checks the kept spans against brute force over the documents themselves."""
    tokenizer = JsonTokenizer(corpus._tokenizer.to_str().encode())
    token_ids = corpus.encode(trace.answer)
    word_starts = np.flatnonzero(tokenizer.encode(trace.answer).word_starts).tolist()
    cuts = [n + 1 for n, id_ in enumerate(token_ids) if corpus.decode([id_]) in ("\n", ".")]
    documents = [document for shard in corpus.documents for document in shard]
    spans = oracle.maximal_spans(oracle.longest_matches(documents, token_ids, word_starts, cuts))
    # One separator a document, whatever the shard.
    kept = oracle.kept_spans(spans, token_ids, oracle.unigram_counts(documents, width=2))
    assert trace.num_maximal_spans == len(spans)
    assert [(s.start, s.end, s.count) for s in trace.spans] == [(m.start, m.end, m.count) for m in kept]


def test_spans_counts_and_whole_documents_depend_neither_on_the_number_of_shards_nor_on_sidecars(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    texts = documents_of_sentences(40)
    tokenizer = byte_level_tokenizer(texts)
    answer = " ".join(documents_of_sentences(3)[::-1])[:600]
    seen = []
    for num_shards, accelerated in ((1, False), (1, True), (2, False), (5, True)):
        shards = [texts[number::num_shards] for number in range(num_shards)]
        directory = write_index(tmp_path_factory.mktemp("law"), shards, tokenizer, accelerated=accelerated)
        with headwater.open(directory, redaction="off") as index:
            trace = index.trace(answer, "prompt")
        spans = [(s.start, s.end, s.count, s.unigram_logprob_sum) for s in trace.spans]
        merged = [(m.start, m.end, m.spans) for m in trace.merged_spans]
        # Document n of shard s is text n * shards + s of the corpus.
        shown = [
            {trace.documents[d].id.number * num_shards + trace.documents[d].id.shard for d in span.documents}
            for span in trace.spans
            if span.count <= 10
        ]
        seen.append((spans, trace.num_maximal_spans, merged, shown))
    assert all(trace == seen[0] for trace in seen)
    assert any(shown for shown in seen[0][3])


@pytest.fixture(scope="module")
def real(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fortieth of the shared corpus, over two shards with sidecars."""
    with (shared_data / "corpus.jsonl.zst").open("rb") as packed:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), encoding="utf-8")
        texts = [json.loads(line)["text"] for line in itertools.islice(lines, 0, None, 40)]
    tokenizer = JsonTokenizer.from_file(shared_data / "tokenizers" / "llama-2.json")
    return write_index(tmp_path_factory.mktemp("real"), [texts[::2], texts[1::2]], tokenizer, accelerated=True)


def test_traces_of_real_answers_follow_the_rules(shared_data: Path, real: Path) -> None:
    corpus = IndexedCorpus(real, 2)
    lines = (shared_data / "conversations.jsonl").read_text().splitlines()
    sampled, reads, suffixes = 0, 0.0, 0
    with headwater.open(real, redaction="off") as index:
        for line in lines[::8]:
            conversation = json.loads(line)
            trace = index.trace(conversation["response"], conversation["prompt"])
            check(trace, corpus, conversation["prompt"])
            sampled += sum(span.count > reference_rules.OCCURRENCES_PER_SPAN for span in trace.spans)
            reads += trace.stats.reads_per_suffix * trace.stats.suffixes
            suffixes += trace.stats.suffixes
    assert sampled, "no span occurred often enough to be sampled"
    assert 0 < reads <= READS_PER_SUFFIX * suffixes
