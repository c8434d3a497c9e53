"""Shards of raw bytes that answer by brute force, and fail or stall where a test wants them to."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import NoReturn

import numpy as np

from coordinator.corpus import Corpus
from coordinator.errors import ShardUnavailableError
from coordinator.pipeline import Pipeline
from coordinator.read_counts import ReadCounts
from coordinator.redaction.display import Display
from coordinator.redaction.rules import RedactionRules, Treatment
from coordinator.results import DocumentText
from coordinator.values import (
    DocumentId,
    Query,
    ShardDescription,
    ShardId,
    ShardMatches,
    ShardWindows,
    Window,
    WindowQuery,
)
from index_format.manifest import FORMAT_VERSION, IndexManifest
from index_format.tokenizer import RAW_BYTES, ByteTokenizer
from tests import oracle

CorpusTexts = Sequence[Sequence[str]]
"""The texts of a corpus, shard by shard. ASCII, so that a token is a character."""


class OracleShard:
    """One shard in the tests' own words. Implements `coordinator.ports.ShardPort`.

    Attributes:
        fails_search: Whether it does not answer the first round.
        fails_windows: Whether it does not answer the second.
        wrong_windows: Whether its windows hold other tokens than its ranks point to.
        stalls: Whether a call for windows ends only by being cancelled.
        windows_asked: Calls for windows so far.
        cancelled: Set when a call that stalled was cancelled.
    """

    def __init__(self, shard: ShardId, texts: Sequence[str]):
        self.shard = shard
        self.texts = texts
        self.documents = [list(text.encode("ascii")) for text in texts]
        self._text = oracle.text_of(self.documents, 1)
        self._table = oracle.suffix_table(self._text, 1)
        self.fails_search = self.fails_windows = self.wrong_windows = self.stalls = False
        self.windows_asked = 0
        self.stalled, self.cancelled = asyncio.Event(), asyncio.Event()

    def __repr__(self) -> str:
        faults = [name for name in ("fails_search", "fails_windows", "wrong_windows") if getattr(self, name)]
        return f"<shard {self.shard} of {self.texts} {' '.join(faults)}>"

    @property
    def num_tokens(self) -> int:
        return len(self._text)

    async def describe(self, deadline_s: float) -> ShardDescription:
        raise NotImplementedError

    async def get_document(self, number: int, start: int, max_tokens: int, deadline_s: float) -> DocumentText:
        id_ = DocumentId(*self.shard, number)
        return DocumentText(id_, id_.corpus, "", "", "", 1, start, 1, "x", {})

    async def longest_matches(self, query: Query, deadline_s: float) -> ShardMatches:
        if self.fails_search:
            raise ShardUnavailableError("lost in the search")
        tokens = query.token_ids.tolist()
        matches = oracle.longest_matches(self.documents, tokens, query.word_starts.tolist(), query.cuts.tolist())
        intervals = [oracle.find(self._text, self._table, tokens[match.start : match.end]) for match in matches]
        counts = oracle.unigram_counts(self.documents, 1)
        return ShardMatches(
            shard=self.shard,
            starts=np.array([match.start for match in matches], dtype=np.uint32),
            ends=np.array([match.end for match in matches], dtype=np.uint32),
            rank_starts=np.array([start for start, _ in intervals], dtype=np.uint64),
            rank_ends=np.array([end for _, end in intervals], dtype=np.uint64),
            unigram_counts=np.array([counts[token] for token in tokens], dtype=np.uint64),
            num_tokens=self.num_tokens,
            reads=ReadCounts(1, 2, 3, 0, 100),
        )

    async def get_windows(self, windows: WindowQuery, deadline_s: float) -> ShardWindows:
        self.windows_asked += 1
        if self.stalls:
            await self._stall()
        if self.fails_windows:
            raise ShardUnavailableError("lost with its windows")
        places = zip(windows.ranks, windows.lengths, strict=True)
        return ShardWindows(tuple(self._window(rank, length, windows) for rank, length in places), ReadCounts(1))

    async def _stall(self) -> NoReturn:
        self.stalled.set()
        try:
            await asyncio.Future()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError("nothing ends the wait but its cancellation")

    def _window(self, rank: int, length: int, wanted: WindowQuery) -> Window:
        number, offset = oracle.locate(self.documents, self._table[rank])
        document = self.documents[number]
        start, end = oracle.window(document, offset, length, wanted.context_tokens)
        snippet_start, snippet_end = oracle.window(document, offset, length, wanted.snippet_tokens)
        found = document[offset : offset + length]
        return Window(
            document=DocumentId(*self.shard, number),
            document_tokens=len(document),
            start=start,
            end=end,
            match_start=offset,
            match_token_ids=tuple(token + 1 for token in found) if self.wrong_windows else tuple(found),
            text=bytes(document[start:end]).decode("ascii"),
            match_chars=(offset - start, offset + length - start),
            snippet_chars=(snippet_start - start, snippet_end - start),
            metadata=json.dumps({"source": str(self.shard)}),
        )


def corpus_of(name: str, texts: CorpusTexts) -> Corpus:
    """Returns the corpus whose shards hold these texts."""
    documents = [text for shard in texts for text in shard]
    index = IndexManifest(
        format_version=FORMAT_VERSION,
        index_id=f"index of {name}",
        token_width=1,
        num_shards=len(texts),
        num_tokens=sum(len(text) + 1 for text in documents),
        num_documents=len(documents),
        tokenizer=RAW_BYTES,
        tokenizer_sha256=ByteTokenizer.sha256,
        vocab_size=256,
        stage=f"{name}-training",
        source="oracle",
        built_by="tests",
    )
    return Corpus.of_index(index, name)


def pipeline_over(corpora: Mapping[str, CorpusTexts]) -> tuple[Pipeline, list[OracleShard]]:
    """Returns a pipeline over corpora by name, in that order, and its shards."""
    shards = [
        OracleShard(ShardId(name, number), texts)
        for name, parts in corpora.items()
        for number, texts in enumerate(parts)
    ]
    shows_everything = Display(RedactionRules(Treatment.OFF))
    described = [corpus_of(name, parts) for name, parts in corpora.items()]
    return Pipeline(ByteTokenizer(), shards, described, display=shows_everything, owns_loop=True), shards
