"""Damaged and foreign sidecars: refused when opened, or found by `verify`; no search crashes or makes up a match."""

import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_format.layout import DIRECTORY, FAN_OUT, SIDECARS, TABLE
from suffix_engine import ShardCorruptError, ShardFormatError, ShardIndex, ThreadPool, accelerate_shard
from tests.engine_calls import FoundMatch, longest_matches
from tests.property.large_corpora import LargeCorpus
from tests.property.strategies import WIDTHS, Query
from tests.tiny_index import write_shard

POOL = ThreadPool(1)
PAGE_BYTES = 4096
HEADER_BYTES = 64
WRONG_SIZE = "no header|file is empty|file has .* bytes, expected|size cannot be|checksum"
HEADS = slice(HEADER_BYTES, HEADER_BYTES + 8)

# Corpora whose searches go past what a page, an LCP or a key tells.
CORPORA = [("near duplicates", 1, 1), ("long runs", 2, 1), ("a mixture", 2, 1), ("one run", 4, 1)]


class Sound:
    """An accelerated shard to damage copies of."""

    def __init__(self, directory: Path, kind: str, width: int, seed: int) -> None:
        corpus = LargeCorpus(kind, width, seed)
        self.directory, self.width = write_shard(directory, corpus.documents, width), width
        self.plain = open_shard(directory, width)
        accelerate_shard(directory, token_width=width)
        self.queries = [corpus.query() for _ in range(8)]
        self.num_pages = (directory / FAN_OUT).stat().st_size // PAGE_BYTES - 1


def open_shard(directory: Path, width: int) -> ShardIndex:
    return ShardIndex.open(directory, token_width=width, pool=POOL)


@pytest.fixture(scope="module", params=CORPORA, ids=lambda corpus: f"{corpus[0]}, {corpus[1]}")
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return Sound(tmp_path_factory.mktemp("sound"), *request.param)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Sound:
    return Sound(tmp_path_factory.mktemp("small"), "near duplicates", 2, 3)


@contextmanager
def damaged(sound: Sound, name: str, damage: Callable[[bytearray], None]) -> Iterator[Path]:
    """Yields the folder of the shard while one of its files is damaged."""
    path = sound.directory / name
    content = path.read_bytes()
    changed = bytearray(content)
    damage(changed)
    # A new file: the old one is mapped, and never changes under those who have it open.
    path.unlink()
    path.write_bytes(changed)
    try:
        yield sound.directory
    finally:
        path.unlink()
        path.write_bytes(content)


def refused(sound: Sound, name: str, damage: Callable[[bytearray], None], message: str) -> None:
    with damaged(sound, name, damage) as directory, pytest.raises(ShardFormatError, match=message) as raised:
        open_shard(directory, sound.width)
    assert name in str(raised.value)


def seal(content: bytearray, *, also_content: bool = False) -> None:
    """Makes the checksums of a sidecar's header right, as who forges one would."""
    if also_content:
        content[36:40] = zlib.crc32(content[HEADER_BYTES:]).to_bytes(4, "little")
    content[60:64] = zlib.crc32(content[:60]).to_bytes(4, "little")


@pytest.mark.parametrize("name", SIDECARS)
@pytest.mark.parametrize("size", [0, 1, 8, HEADER_BYTES - 1, HEADER_BYTES, -PAGE_BYTES, -1])
def test_a_truncated_sidecar_is_refused(small: Sound, name: str, size: int) -> None:
    def truncate(content: bytearray) -> None:
        del content[size:]

    refused(small, name, truncate, WRONG_SIZE)


@pytest.mark.parametrize("name", SIDECARS)
@pytest.mark.parametrize("size", [1, PAGE_BYTES, 2**20])
def test_a_sidecar_that_is_too_long_is_refused(small: Sound, name: str, size: int) -> None:
    refused(small, name, lambda content: content.extend(bytes(size)), WRONG_SIZE)


@pytest.mark.parametrize("name", SIDECARS)
def test_no_bit_of_a_header_can_flip_unseen(small: Sound, name: str) -> None:
    for at in range(HEADER_BYTES):

        def flip(content: bytearray, at: int = at) -> None:
            content[at] ^= 1 << at % 8

        refused(small, name, flip, "no header of this kind of file" if at < 8 else "the header's checksum is wrong")


FORGED = {
    "no header of this kind of file": (slice(0, 8), b"HWFANIN\0"),
    "version 2, this build reads 1": (slice(8, 12), b"\2\0\0\0"),
    "made of another shard.* of 4 bytes": (slice(12, 16), b"\4\0\0\0"),
    "made of another shard: 9 tokens": (slice(16, 24), (9).to_bytes(8, "little")),
    "made of another shard: 18446744073709551615 tokens": (slice(16, 24), b"\xff" * 8),
    "sidecars again": (slice(24, 32), b"\xff" * 8),
    "made of another shard.* fingerprint ffffffff": (slice(32, 36), b"\xff" * 4),
}


@pytest.mark.parametrize("name", SIDECARS)
@pytest.mark.parametrize("message", FORGED)
def test_a_forged_header_is_refused(small: Sound, name: str, message: str) -> None:
    where, forged = FORGED[message]

    def forge(content: bytearray) -> None:
        content[where] = forged
        seal(content)

    refused(small, name, forge, message)


@pytest.mark.parametrize("name", SIDECARS)
def test_a_sidecar_of_another_shard_of_the_same_size_is_refused(small: Sound, tmp_path: Path, name: str) -> None:
    text = np.frombuffer(small.plain.tokens(0, small.plain.num_tokens), dtype="<u4")
    write_shard(tmp_path, [text[1:][::-1].clip(max=9).tolist()], 2)
    accelerate_shard(tmp_path, token_width=2)
    assert open_shard(tmp_path, 2).num_tokens == small.plain.num_tokens
    shutil.copy(small.directory / name, tmp_path / name)
    with pytest.raises(ShardFormatError, match=rf"{name}: made of another shard.*build the sidecars again with"):
        open_shard(tmp_path, 2)


def test_a_fan_out_alone_is_none_and_a_directory_alone_an_error(small: Sound, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(small.directory, tmp_path / "copy"))
    (copy / DIRECTORY).unlink()
    shard = open_shard(copy, 2)
    assert (shard.is_accelerated, shard.directory_bytes) == (False, 0)
    shutil.copy(small.directory / DIRECTORY, copy)
    (copy / FAN_OUT).unlink()
    with pytest.raises(ShardFormatError, match=FAN_OUT):
        open_shard(copy, 2)


@given(st.data())
def test_no_bit_of_a_directory_can_flip_unseen(small: Sound, data: st.DataObject) -> None:
    size = (small.directory / DIRECTORY).stat().st_size
    at, bit = data.draw(st.integers(HEADER_BYTES, size - 1)), data.draw(st.integers(0, 7))

    def flip(content: bytearray) -> None:
        content[at] ^= 1 << bit

    refused(small, DIRECTORY, flip, "its checksum is wrong")


@pytest.mark.parametrize("heads", [b"\0" * 7 + b"\1", b"\xff" * 8])
def test_a_forged_directory_whose_keys_do_not_ascend_is_refused(small: Sound, heads: bytes) -> None:
    def forge(content: bytearray) -> None:
        # The first key is empty. Numbers in the file are little-endian.
        content[HEADS] = heads[::-1]
        seal(content, also_content=True)

    refused(small, DIRECTORY, forge, "its keys")


def test_a_forged_directory_with_a_wrong_key_is_survived_and_named(sound: Sound) -> None:
    def forge(content: bytearray) -> None:
        heads = np.frombuffer(content, dtype="<u8", count=sound.num_pages, offset=HEADER_BYTES).copy()
        changed = 1 + int(np.flatnonzero(np.diff(heads) > 1)[-1])
        heads[changed] -= 1  # still above the one before
        content[HEADER_BYTES : HEADER_BYTES + heads.nbytes] = heads.tobytes()
        seal(content, also_content=True)

    with damaged(sound, DIRECTORY, forge) as directory:
        shard = open_shard(directory, sound.width)
        check_search(sound, shard)
        with pytest.raises(ShardCorruptError, match=rf"{DIRECTORY}: .* does not say what the text does"):
            shard.verify()


def check_search(sound: Sound, damaged_shard: ShardIndex) -> None:
    """Checks that what the damaged shard finds is in the text, wherever it says that it stands."""
    for query in sound.queries:
        for match in allowed_matches(damaged_shard, query):
            first, last = sound.plain.find(query.tokens[match.start : match.end])
            assert first < last, f"{match} is not in the text"


def allowed_matches(damaged_shard: ShardIndex, query: Query) -> list[FoundMatch]:
    """Returns what the damaged shard finds, once it is seen to be of ranks and positions that can be."""
    found = longest_matches(damaged_shard, query.tokens, query.word_starts, query.cuts)
    for match in found:
        assert 0 <= match.ranks[0] < match.ranks[1] <= damaged_shard.num_tokens
        assert match.start in query.word_starts
        assert match.end == len(query.tokens) or match.end in query.word_starts
        assert not any(match.start < cut < match.end for cut in query.cuts)
    return found


PAGES = {
    "zeros": lambda page, _: bytes(len(page)),
    "ones": lambda page, _: b"\xff" * len(page),
    "noise": lambda page, random: random.randbytes(len(page)),
    "one byte": lambda page, random: flipped(page, random.randrange(len(page)), random.randrange(1, 256)),
}


def flipped(page: bytes, at: int, bits: int) -> bytes:
    return page[:at] + bytes([page[at] ^ bits]) + page[at + 1 :]


@pytest.mark.timeout(900)
@given(damage=st.sampled_from(sorted(PAGES)), seed=st.integers(0, 2**32))
def test_damaged_pages_are_survived_and_named(sound: Sound, damage: str, seed: int) -> None:
    random = Random(seed)
    pages = sorted(random.sample(range(sound.num_pages), min(sound.num_pages, random.choice([1, 1, 2, 10_000]))))

    def replace_pages(content: bytearray) -> None:
        for page in pages:
            where = slice((page + 1) * PAGE_BYTES, (page + 2) * PAGE_BYTES)
            content[where] = PAGES[damage](bytes(content[where]), random)

    with damaged(sound, FAN_OUT, replace_pages) as directory:
        shard = open_shard(directory, sound.width)
        check_search(sound, shard)
        with pytest.raises(ShardCorruptError, match=f"{FAN_OUT}: page ({'|'.join(map(str, pages))}) "):
            shard.verify()


@pytest.mark.timeout(900)
@given(entries=st.dictionaries(st.integers(0, 2**20), st.integers(0, 255), min_size=1, max_size=30))
def test_a_damaged_table_under_sound_sidecars_is_survived_or_refused(sound: Sound, entries: dict[int, int]) -> None:
    def scatter(content: bytearray) -> None:
        for at, byte in entries.items():
            content[at % len(content)] = byte

    with damaged(sound, TABLE, scatter) as directory:
        try:
            shard = open_shard(directory, sound.width)
        except ShardFormatError as error:
            assert "made of another shard" in str(error)  # an entry of the fingerprint was hit
            return
        # A binary search trusts the order of the table: a match may be a token or two that are not there too long.
        for query in sound.queries:
            allowed_matches(shard, query)


@pytest.mark.parametrize("width", WIDTHS)
def test_sidecars_of_another_token_width_are_refused(tmp_path: Path, width: int) -> None:
    write_shard(tmp_path, [[1, 1, 1, 1]] * 4, width)
    accelerate_shard(tmp_path, token_width=width)
    other = write_shard(tmp_path / "other", [[1, 1, 1, 1]] * 4, 4 if width == 2 else 2)
    for name in SIDECARS:
        shutil.copy(tmp_path / name, other / name)
    with pytest.raises(ShardFormatError, match="made of another shard"):
        open_shard(other, 4 if width == 2 else 2)
