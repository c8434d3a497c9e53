"""The bytes of both sidecars, written down once more from their description, in plain Python."""

import itertools
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_format.layout import DIRECTORY, FAN_OUT
from suffix_engine import ShardIndex, ThreadPool, accelerate_shard
from tests import oracle
from tests.engine_calls import u64
from tests.property.large_corpora import KINDS, LargeCorpus
from tests.property.strategies import WIDTHS, Corpus, corpora
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
PAGE_BYTES = 4096
CRC_BYTES = 4
BLOCKS_PER_PAGE = 2
SATURATED = 255
KEY_BYTES = {1: 32, 2: 32, 4: 64}
HEAD_BYTES = 8
KEYS_PER_TAIL_START = 16


@dataclass(frozen=True, slots=True)
class Sidecars:
    """What the sidecars of a shard say, given its text and its suffix array."""

    text: Sequence[int]
    table: Sequence[int]
    width: int

    @property
    def ranks_per_block(self) -> int:
        return (PAGE_BYTES - CRC_BYTES) // (1 + self.width) // BLOCKS_PER_PAGE

    def fan_out(self) -> bytes:
        records = [self.record(rank) for rank in range(len(self.table))]
        per_page = self.ranks_per_block * BLOCKS_PER_PAGE
        pages = [self.page(records[first : first + per_page]) for first in range(0, len(records), per_page)]
        return self.header(b"HWFANOUT", content_crc=0).ljust(PAGE_BYTES, b"\0") + b"".join(pages)

    def record(self, rank: int) -> tuple[int, int]:
        """Returns the LCP of a suffix with the one before it, and its token there."""
        position = self.table[rank]
        if rank == 0:
            return 0, self.text[position]
        before = self.table[rank - 1]
        separator = oracle.separator(self.width)
        for lcp in range(SATURATED):
            if before + lcp == len(self.text):
                return lcp, self.text[position + lcp]
            if self.text[before + lcp] != self.text[position + lcp]:
                return lcp, self.text[position + lcp]
            if self.text[position + lcp] == separator:
                break
        return SATURATED, separator

    def page(self, records: Sequence[tuple[int, int]]) -> bytes:
        ranks = self.ranks_per_block * BLOCKS_PER_PAGE
        branches = b"".join(branch.to_bytes(self.width, "little")[::-1] for _, branch in records)
        lcps = bytes(lcp for lcp, _ in records)
        content = (branches.ljust(ranks * self.width, b"\0") + lcps).ljust(PAGE_BYTES - CRC_BYTES, b"\0")
        return content + struct.pack("<I", zlib.crc32(content))

    def directory(self) -> bytes:
        keys = [self.key(rank) for rank in range(0, len(self.table), self.ranks_per_block)]
        heads = [int.from_bytes(key[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0"), "big") for key in keys]
        tails = [key[HEAD_BYTES:] for key in keys]
        starts = [sum(map(len, tails[:number])) for number in range(0, len(keys), KEYS_PER_TAIL_START)]
        content = (
            struct.pack(f"<{len(heads)}Q{len(starts)}Q", *heads, *starts) + bytes(map(len, keys)) + b"".join(tails)
        )
        return self.header(b"HWDIRECT", zlib.crc32(content)) + content

    def key(self, rank: int) -> bytes:
        """Returns the shortest prefix of a suffix that tells it from the one before, cut off at a length."""
        if rank == 0:
            return b""
        lcp, _ = self.record(rank)
        position, separator = self.table[rank], oracle.separator(self.width)
        key = self.text[position : position + min(lcp + 1, KEY_BYTES[self.width] // self.width)]
        if separator in key:
            key = key[: key.index(separator) + 1]
        return oracle.token_bytes(key, self.width)

    def header(self, magic: bytes, content_crc: int) -> bytes:
        blocks = -(-len(self.table) // self.ranks_per_block)
        fields = (1, self.width, len(self.table), blocks, self.fingerprint(), content_crc)
        content = magic + struct.pack("<IIQQII20x", *fields)
        return content + struct.pack("<I", zlib.crc32(content))

    def fingerprint(self) -> int:
        """Returns the CRC-32 of 64 evenly spaced entries of the table and eight tokens at each."""
        crc = 0
        for position in self.table[:: -(-len(self.table) // 64)]:
            crc = zlib.crc32(struct.pack("<Q", position), crc)
            crc = zlib.crc32(oracle.token_bytes(self.text[position : position + 8], self.width), crc)
        return crc


def check(directory: Path, documents: Sequence[oracle.Document], width: int) -> None:
    write_shard(directory, documents, width)
    accelerate_shard(directory, token_width=width, num_threads=1)
    text = oracle.text_of(documents, width)
    shard = ShardIndex.open(directory, token_width=width, pool=POOL)
    sidecars = Sidecars(text, u64(shard.positions(range(len(text)))), width)
    assert (directory / FAN_OUT).read_bytes() == sidecars.fan_out()
    assert (directory / DIRECTORY).read_bytes() == sidecars.directory()


@pytest.mark.parametrize(("kind", "width"), [*zip(KINDS, itertools.cycle(WIDTHS), strict=False)])
def test_sidecars_of_many_pages_are_as_described(kind: str, width: int, tmp_path: Path) -> None:
    check(tmp_path, LargeCorpus(kind, width, seed=4).documents, width)


@given(st.data())
def test_sidecars_of_tiny_corpora_are_as_described(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    corpus: Corpus = data.draw(corpora())
    check(tmp_path_factory.mktemp("tiny"), corpus.documents, corpus.width)
