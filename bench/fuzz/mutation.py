"""Makes wrong inputs of right ones: bytes changed, numbers made extreme, parts doubled, swapped and cut off."""

from collections.abc import Callable
from random import Random

from bench.fuzz.target import Target

MOST_BYTES = 1 << 16
_MOST_CHANGES = 6
_EDGES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_SPANS = (1, 2, 3, 4, 8, 16, 64, 256, 1024)

# What breaks readers of text, whatever it is a text of.
WORDS = (
    b"\x00",
    b"\xff\xfe",
    b"\xed\xa0\x80",  # half a surrogate pair
    b"\xf4\x90\x80\x80",  # past the last character
    b"\xe2\x80\xae",
    b"\\ud800",
    b"\\u0000",
    b"\r\n",
    b"[" * 2000,
    b'{"":' * 1500,
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"NaN",
    b"1.0",
    b"null",
    b"true",
    b'""',
    b"{}",
    b"[]",
    b"../../../etc/passwd",
    b"/dev/zero",
    b"18446744073709551616",
    b"\xc4\xb0",  # grows when it is lowered
    b"a" * 3000,
)


class Mutator:
    """Gives inputs made of the seeds of a target, the same for the same ``random``."""

    def __init__(self, target: Target, random: Random):
        self._seeds = [seed for seed in target.seeds if seed] or [b"\x00"]
        self._structured = target.structured
        self._words = (*target.words, *WORDS)
        self._random = random
        self._changes: tuple[Callable[[bytearray], object], ...] = (
            self._flip,
            self._set,
            self._set,
            self._edge,
            self._varint,
            self._cut_out,
            self._double,
            self._word,
            self._word,
            self._splice,
            self._cut_off,
        )

    def next(self) -> bytes:
        """Returns one input of at most `MOST_BYTES`."""
        random = self._random
        seed = random.choice(self._seeds)
        if self._structured is not None and random.random() < 0.6:
            seed = self._structured(random, seed)
            if random.random() < 0.9:
                return seed[:MOST_BYTES]
        content = bytearray(seed)
        for _ in range(1 + int(random.random() ** 2 * _MOST_CHANGES)):
            if content:
                random.choice(self._changes)(content)
        return bytes(content[:MOST_BYTES])

    def _place(self, content: bytearray) -> int:
        return int(self._random.random() * len(content))

    def _flip(self, content: bytearray) -> None:
        content[self._place(content)] ^= 1 << int(self._random.random() * 8)

    def _set(self, content: bytearray) -> None:
        content[self._place(content)] = int(self._random.random() * 256)

    def _edge(self, content: bytearray) -> None:
        size = self._random.choice((1, 2, 4, 8))
        at = self._place(content)
        if at + size <= len(content):  # in place: what follows keeps its own
            number = self._random.choice(_EDGES) & (1 << 8 * size) - 1
            content[at : at + size] = number.to_bytes(size, self._random.choice(("little", "big")))

    def _varint(self, content: bytearray) -> None:
        number, encoded = self._random.choice(_EDGES), bytearray()
        while number > 0x7F:
            encoded.append(number & 0x7F | 0x80)
            number >>= 7
        encoded.append(number)
        at = self._place(content)
        content[at : at + self._random.randrange(3)] = encoded

    def _cut_out(self, content: bytearray) -> None:
        at = self._place(content)
        del content[at : at + self._random.choice(_SPANS)]

    def _double(self, content: bytearray) -> None:
        at = self._place(content)
        part = content[at : at + self._random.choice(_SPANS)]
        to = self._place(content)
        content[to:to] = part * self._random.choice((1, 1, 2, 50))

    def _word(self, content: bytearray) -> None:
        word = self._random.choice(self._words)
        at = self._place(content)
        content[at : at + self._random.choice((0, len(word), 1))] = word

    def _splice(self, content: bytearray) -> None:
        other = self._random.choice(self._seeds)
        at = int(self._random.random() * len(other))
        content[self._place(content) :] = other[at:]

    def _cut_off(self, content: bytearray) -> None:
        del content[self._place(content) :]
