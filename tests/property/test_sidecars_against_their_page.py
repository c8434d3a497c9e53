"""The sidecars hold, byte for byte, what docs/index-format.md says: written a second time here, after that page."""

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

import suffix_engine
from index_format.layout import DIRECTORY, FAN_OUT
from tests import oracle
from tests.property.strategies import ALPHABETS, WIDTHS
from tests.tiny_index import write_shard

RANKS_PER_BLOCK = {1: 1023, 2: 682, 4: 409}
MOST_KEY_BYTES = {1: 32, 2: 32, 4: 64}


def documents_of(seed: int, width: int, number: int = 80) -> list[list[int]]:
    """Returns documents of a few token ids, more than fill a page: one is long and there twice, some are empty."""
    generator = random.Random(seed)
    alphabet = generator.sample(ALPHABETS[width], 3)
    long = generator.choices(alphabet, k=700)
    short = [generator.choices(alphabet, k=generator.randint(0, 30)) for _ in range(number)]
    return [*short, long, [alphabet[0]] * 300, *short[:40], long]


class Page:
    """The page's words as code: lists of tokens in, bytes out."""

    def __init__(self, text: list[int], width: int) -> None:
        self.text, self.width, self.separator = text, width, oracle.separator(width)
        content = self.token_bytes(text)
        self.table = sorted(range(len(text)), key=lambda position: content[position * width :])

    def token_bytes(self, tokens: list[int]) -> bytes:
        return b"".join(token.to_bytes(self.width, "little") for token in tokens)

    def record(self, rank: int) -> tuple[int, int]:
        """Returns the LCP and the branch of a rank."""
        if rank == 0:
            return 0, self.text[self.table[0]]
        before, suffix = (self.text[self.table[r] : self.table[r] + 256] for r in (rank - 1, rank))
        lcp = next((n for n, (a, b) in enumerate(zip(before, suffix, strict=False)) if a != b), len(before))
        if lcp >= 255 or self.separator in suffix[:lcp]:
            return 255, self.separator
        return lcp, suffix[lcp]

    def header(self, magic: bytes, content_crc: int) -> bytes:
        num_tokens = len(self.text)
        blocks = -(-num_tokens // RANKS_PER_BLOCK[self.width])
        sampled = b"".join(
            struct.pack("<Q", position) + self.token_bytes(self.text[position : position + 8])
            for position in self.table[:: -(-num_tokens // 64)]
        )
        fields = (magic, 1, self.width, num_tokens, blocks, zlib.crc32(sampled), content_crc)
        header = struct.pack("<8sIIQQII20x", *fields)
        return header + struct.pack("<I", zlib.crc32(header))

    def fan_out(self) -> bytes:
        ranks = 2 * RANKS_PER_BLOCK[self.width]
        pages = [self.header(b"HWFANOUT", 0).ljust(4096, b"\0")]
        records = [self.record(rank) for rank in range(len(self.table))]
        for first in range(0, len(records), ranks):
            some = records[first : first + ranks]
            branches = b"".join(branch.to_bytes(self.width, "big") for _, branch in some)
            lcps = bytes(lcp for lcp, _ in some)
            content = (branches.ljust(ranks * self.width, b"\0") + lcps).ljust(4092, b"\0")
            pages.append(content + struct.pack("<I", zlib.crc32(content)))
        return b"".join(pages)

    def keys(self) -> list[bytes]:
        keys = [b""]
        for rank in range(RANKS_PER_BLOCK[self.width], len(self.table), RANKS_PER_BLOCK[self.width]):
            position = self.table[rank]
            tokens = self.text[position : position + self.record(rank)[0] + 1]
            if self.separator in tokens:
                tokens = tokens[: tokens.index(self.separator) + 1]
            keys.append(self.token_bytes(tokens)[: MOST_KEY_BYTES[self.width]])
        return keys

    def directory(self) -> bytes:
        keys = self.keys()
        heads = b"".join(int.from_bytes(key[:8].ljust(8, b"\0")).to_bytes(8, "little") for key in keys)
        starts = np.cumsum([0, *(len(key[8:]) for key in keys)])[:-1][::16]
        content = heads + starts.astype("<u8").tobytes() + bytes(map(len, keys)) + b"".join(key[8:] for key in keys)
        return self.header(b"HWDIRECT", zlib.crc32(content)) + content


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("width", WIDTHS)
def test_sidecars_are_what_the_page_says(width: int, seed: int, tmp_path: Path) -> None:
    documents = documents_of(seed, width)
    write_shard(tmp_path, documents, width)
    suffix_engine.accelerate_shard(tmp_path, token_width=width, num_threads=1)
    page = Page(oracle.text_of(documents, width), width)
    assert len(page.keys()) > 2
    assert (tmp_path / FAN_OUT).read_bytes() == page.fan_out()
    assert (tmp_path / DIRECTORY).read_bytes() == page.directory()


def test_a_directory_of_many_blocks_is_what_the_page_says(tmp_path: Path) -> None:
    documents = documents_of(0, 4, number=450)
    write_shard(tmp_path, documents, 4)
    suffix_engine.accelerate_shard(tmp_path, token_width=4, num_threads=1)
    page = Page(oracle.text_of(documents, 4), 4)
    assert len(page.keys()) > 16
    assert max(map(len, page.keys())) == MOST_KEY_BYTES[4]
    assert (tmp_path / DIRECTORY).read_bytes() == page.directory()


@pytest.mark.parametrize("width", WIDTHS)
def test_sidecars_of_one_token_are_what_the_page_says(width: int, tmp_path: Path) -> None:
    write_shard(tmp_path, [[7]], width)
    suffix_engine.accelerate_shard(tmp_path, token_width=width, num_threads=1)
    page = Page([oracle.separator(width), 7], width)
    assert (tmp_path / FAN_OUT).read_bytes() == page.fan_out()
    assert (tmp_path / DIRECTORY).read_bytes() == page.directory()
