"""Blind search, over directory and fan-out, against plain search of the same shard and against the definition.

A failure names its corpus and query; `LargeCorpus(kind, width, seed)` makes both again.
"""

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from index_format.layout import TABLE
from suffix_engine import ShardIndex, ThreadPool, accelerate_shard
from tests import oracle
from tests.engine_calls import FoundMatch, longest_matches, u64
from tests.property.large_corpora import KINDS, RANKS_PER_PAGE, LargeCorpus
from tests.property.strategies import WIDTHS, Query
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
IS_SLOW = settings.get_current_profile_name() == "slow"
SEEDS = range(30 if IS_SLOW else 1)
QUERIES = 1200 if IS_SLOW else 40
EVERY_KIND = [(kind, width) for kind in KINDS for width in WIDTHS]


@dataclass(frozen=True, slots=True)
class Opened:
    """One shard, opened twice: without its sidecars and with them."""

    plain: ShardIndex
    accelerated: ShardIndex
    directory: Path

    def both(self, query: Query) -> tuple[list[FoundMatch], list[FoundMatch]]:
        """Returns what plain search finds, and what blind search does."""
        asked = (query.tokens, query.word_starts, query.cuts)
        return longest_matches(self.plain, *asked), longest_matches(self.accelerated, *asked)


@contextmanager
def opened(documents: Sequence[oracle.Document], width: int) -> Iterator[Opened]:
    with tempfile.TemporaryDirectory() as name:
        directory = write_shard(Path(name), documents, width)
        plain = ShardIndex.open(directory, token_width=width, pool=POOL)
        accelerate_shard(directory, token_width=width, num_threads=1)
        accelerated = ShardIndex.open(directory, token_width=width, pool=POOL)
        assert (plain.is_accelerated, accelerated.is_accelerated) == (False, True)
        yield Opened(plain, accelerated, directory)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "width"), EVERY_KIND)
def test_blind_search_finds_what_plain_search_does(kind: str, width: int) -> None:
    found = 0
    for seed in SEEDS:
        corpus = LargeCorpus(kind, width, seed)
        with opened(corpus.documents, width) as shard:
            for number in range(QUERIES):
                plain, blind = shard.both(corpus.query())
                assert blind == plain, f"{corpus}, query {number}"
                found += len(plain)
    assert found or kind == "the smallest"


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kind", "width"), EVERY_KIND)
def test_matches_are_those_of_the_definition(kind: str, width: int) -> None:
    for seed in SEEDS:
        corpus = LargeCorpus(kind, width, seed + 1000)
        text = oracle.text_of(corpus.documents, width)
        with opened(corpus.documents, width) as shard:
            table = u64(shard.plain.positions(range(len(text))))
            for number in range(2):
                query = corpus.query()
                found = longest_matches(shard.accelerated, query.tokens, query.word_starts, query.cuts)
                checks = _differences(query, found, text, table)
                assert not list(itertools.islice(checks, 1)), f"{corpus}, query {number}"


def _differences(query: Query, found: list[FoundMatch], text: list[int], table: list[int]) -> Iterator[str]:
    """Yields what is wrong with some of the matches of a query, and with some of the starts that have none."""
    tokens, ends = query.tokens, [*query.word_starts, len(query.tokens)]
    for match in found[:: len(found) // 5 + 1]:
        ranks = oracle.find(text, table, tokens[match.start : match.end])
        if match.start not in query.word_starts or match.end not in ends or match.ranks != ranks:
            yield f"{match}, but its ranks are {ranks}"
    for start in query.word_starts[:: len(query.word_starts) // 5 + 1]:
        reached = max([start, *(match.end for match in found if match.start <= start)])
        longer = next((end for end in ends if end > reached), None)
        if longer is None or any(start < cut < longer for cut in query.cuts):
            continue
        if oracle.find(text, table, tokens[start:longer]) != (0, 0):
            yield f"the match at {start} reaches {longer}"


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", ["near duplicates", "tiny documents", "empty documents"])
def test_the_order_past_a_documents_end_is_free(kind: str, width: int) -> None:
    for seed in SEEDS:
        corpus = LargeCorpus(kind, width, seed + 2000)
        with opened(corpus.documents, width) as shard, tempfile.TemporaryDirectory() as name:
            directory = write_shard(Path(name), corpus.documents, width, sort=False)
            _shuffle_equal_suffixes(shard.directory / TABLE, directory / TABLE, corpus)
            accelerate_shard(directory, token_width=width)
            shuffled = ShardIndex.open(directory, token_width=width, pool=POOL)
            shuffled.verify()
            for number in range(QUERIES // 2):
                query = corpus.query()
                found = longest_matches(shuffled, query.tokens, query.word_starts, query.cuts)
                assert shard.both(query) == (found, found), f"{corpus}, query {number}"


def _shuffle_equal_suffixes(table: Path, shuffled: Path, corpus: LargeCorpus) -> None:
    """Writes a table with the ranks of suffixes that are equal up to a separator in another order."""
    text = np.array(oracle.text_of(corpus.documents, corpus.width), dtype=f"<u{corpus.width}")
    entries = np.fromfile(table, dtype="u1").reshape(len(text), -1)
    offsets = sum(entries[:, byte].astype(int) << 8 * byte for byte in range(entries.shape[1]))
    separators = np.flatnonzero(text == oracle.separator(corpus.width))

    def to_separator(rank: int) -> bytes:
        position = offsets[rank] // corpus.width
        after = np.searchsorted(separators, position)
        # The last document ends with the file: its suffixes are equal to no other.
        return text[position : separators[after] + 1].tobytes() if after < len(separators) else bytes([rank % 251])

    generator = np.random.default_rng(corpus.seed)
    order = [
        rank
        for _, equal in itertools.groupby(range(len(text)), to_separator)
        for rank in generator.permutation(list(equal)).tolist()
    ]
    assert order != sorted(order)
    entries[order].tofile(shuffled)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("num_pages", [0.25, 0.5, 1, 2])
def test_pages_that_are_just_full_or_not(num_pages: float, beyond: int, width: int) -> None:
    num_tokens = int(RANKS_PER_PAGE[width] * num_pages) + beyond
    generator = np.random.default_rng(seed=num_tokens)
    document = generator.integers(1, 4, size=num_tokens - 1).tolist()
    with opened([document], width) as shard:
        # The first and the last suffix of all, and those at the edges of every quarter of a page.
        ranks = {0, num_tokens - 1, *range(0, num_tokens, RANKS_PER_PAGE[width] // 4)}
        ranks |= {rank - 1 for rank in ranks if rank}
        for position in u64(shard.plain.positions(sorted(ranks))):
            tokens = document[max(0, position - 1) :][:300]
            for piece in (tokens, tokens[:6], [*tokens[:12], 0]):
                plain, blind = shard.both(Query(tuple(piece), tuple(range(len(piece))), ()))
                assert blind == plain


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("longest_run", [0, 4500], ids=["in one page", "over several pages"])
def test_a_run_of_one_token_is_counted_at_every_length(longest_run: int, width: int) -> None:
    lengths = [1, 255, 256, 400] + [64 // width + more for more in (-1, 0, 1)]  # keys have 64 bytes, LCPs go to 255
    documents = [[7] * longest_run, [], [7] * 258, [6] + [7] * 70, [7] * 300 + [8]]
    with opened(documents, width) as shard:
        for run in ([7] * length for length in lengths):
            for tokens in (run, [*run, 8], [6, *run], [*run, 9]):
                plain, blind = shard.both(Query(tuple(tokens), tuple(range(len(tokens))), ()))
                assert blind == plain
                assert blind[0].count == oracle.count(documents, tokens[: blind[0].end])


@pytest.mark.parametrize("width", WIDTHS)
def test_shards_of_one_token_and_of_none(width: int) -> None:
    everywhere = Query((1, 1), (0, 1), ())
    for documents in ([[1]], [[]], [[], []], [[], [1]], [[1], []]):
        with opened(documents, width) as shard:
            plain, blind = shard.both(everywhere)
            assert blind == plain
            assert [m.end - m.start for m in blind] == ([1, 1] if [1] in documents else [])
