"""infini-gram 2.6.0 doing what production OLMoTrace does with it, on the shards of our own index."""

import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import tokenizers
from rank_bm25 import BM25Okapi

from bench.conversations import Conversation
from bench.errors import BenchError
from bench.searched_index import SearchedIndex
from index_format.word_starts import word_start_ids

_TYPE_NAMES = {2: "u16", 4: "u32"}
_DENSITY = 0.05
_MAX_COUNT = 1_000_000
_OCCURRENCES_PER_SPAN = 10
_CONTEXT_TOKENS = 250
_SEED = 42


@dataclass(frozen=True, slots=True)
class PeerSpan:
    """A maximal span as infini-gram reports it.

    ``occurrences`` is its own list of ``{"s": shard, "ptr": byte offset}``, by shard and rank.
    """

    start: int
    end: int
    count: int
    unigram_logprob_sum: float
    occurrences: Sequence[Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class PeerTrace:
    """What infini-gram found, and how long its parts took."""

    num_tokens: int
    spans: Sequence[PeerSpan]
    kept: Sequence[PeerSpan]
    scores: Sequence[float]
    search_ms: float
    whole_ms: float


class InfiniGramPeer:
    """infini-gram's engine and the steps that OLMoTrace's servers do round it.

    Settings as in production: memory-mapped files, no prefetching, blocks of 256 positions, unigrams in memory.
    """

    def __init__(self, index: SearchedIndex, scratch: Path) -> None:
        """Opens every shard of the index; the word-start file goes to ``scratch``.

        Raises:
            BenchError: infini-gram is not installed.
        """
        try:
            from infini_gram.engine import InfiniGramEngine
        except ImportError as error:
            raise BenchError("infini-gram is missing: install the project with its 'bench' extra") from error
        tokenizer, width = index.tokenizer, index.manifest.token_width
        self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer.content.decode())
        ids = word_start_ids(json.loads(tokenizer.content), byte_level=tokenizer.vocabulary.byte_level)
        word_starts = scratch / "word_starts.txt"
        word_starts.write_text("".join(f"{id_}\n" for id_ in sorted(ids)))
        self._delimiters = sorted(id_ for text in ("\n", ".") for id_ in tokenizer.ids_of(text))
        self._engine: Any = InfiniGramEngine(
            index_dir=[str(folder) for folder in index.folders],
            eos_token_id=0,
            vocab_size=256**width - 1,
            version=4,
            token_dtype=_TYPE_NAMES[width],
            ds_prefetch_depth=0,
            sa_prefetch_depth=0,
            od_prefetch_depth=0,
            bow_ids_path=str(word_starts),
            attribution_block_size=256,
            precompute_unigram_logprobs=True,
        )

    def search(self, response: str) -> tuple[int, list[PeerSpan]]:
        """Returns the number of tokens of the answer and its maximal spans, in order."""
        tokens = self.tokens(response)
        return len(tokens), self._attribute(tokens)

    def tokens(self, response: str) -> list[int]:
        """Returns the token ids of an answer."""
        ids: list[int] = self._tokenizer.encode(response, add_special_tokens=False).ids
        return ids

    def attribute_bare(self, tokens: list[int]) -> Any:
        """Returns what the C++ engine's own ``attribute`` does, none of it converted to Python objects."""
        return self._engine.engine.attribute(tokens, self._delimiters, 1, _MAX_COUNT, True)

    def trace(self, conversation: Conversation) -> PeerTrace:
        """Traces one answer: attribute, keep, sample, fetch windows, decode, rank."""
        began = perf_counter()
        tokens = self.tokens(conversation.response)
        search_began = perf_counter()
        spans = self._attribute(tokens)
        kept = kept_spans(spans, len(tokens))
        search_ms = (perf_counter() - search_began) * 1000
        requests = [
            (occurrence["s"], occurrence["ptr"], span.end - span.start, _CONTEXT_TOKENS)
            for span in kept
            for occurrence in _sample(span.occurrences)
        ]
        windows = self._engine.get_docs_by_ptrs_2(requests=requests) if requests else []
        texts = self._tokenizer.decode_batch([w["token_ids"] for w in windows], skip_special_tokens=False)
        scores = _rank(texts, conversation)
        return PeerTrace(len(tokens), spans, kept, scores, search_ms, (perf_counter() - began) * 1000)

    def _attribute(self, tokens: list[int]) -> list[PeerSpan]:
        found = self._engine.attribute(
            tokens, delim_ids=self._delimiters, min_len=1, max_cnt=_MAX_COUNT, enforce_bow=True
        )
        return [
            PeerSpan(
                span["l"],
                span["r"],
                span["count"],
                span["unigram_logprob_sum"],
                span["docs"],
            )
            for span in found["spans"]
        ]


def bare_spans(result: Any) -> list[PeerSpan]:
    """Returns the maximal spans in what `InfiniGramPeer.attribute_bare` returned, without their occurrences."""
    return [PeerSpan(span.l, span.r, span.count, span.unigram_logprob_sum, ()) for span in result.spans]


def kept_spans(spans: Sequence[PeerSpan], num_tokens: int) -> list[PeerSpan]:
    """Returns the ceil(0.05 L) spans with the smallest unigram log-probability, in order of their start."""
    by_likelihood = sorted(spans, key=lambda span: span.unigram_logprob_sum)
    return sorted(by_likelihood[: math.ceil(_DENSITY * num_tokens)], key=lambda span: span.start)


def _sample(occurrences: Sequence[Mapping[str, int]]) -> Sequence[Mapping[str, int]]:
    if len(occurrences) <= _OCCURRENCES_PER_SPAN:
        return occurrences
    return random.Random(_SEED).sample(occurrences, _OCCURRENCES_PER_SPAN)


def _rank(texts: Sequence[str], conversation: Conversation) -> list[float]:
    if not texts:
        return []
    ranking = BM25Okapi([text.split(" ") for text in texts])
    scores: list[float] = ranking.get_scores(f"{conversation.prompt} {conversation.response}".split(" ")).tolist()
    return scores
