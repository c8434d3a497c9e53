"""A small made-up corpus in two generations, and answers that quote it. All of it follows from seeds."""

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

_SYLLABLES = tuple(a + b for a, b in itertools.product("bdfgklmnprstvz", ("a", "e", "i", "o", "u", "an", "or", "il")))
_WORDS = 4_000
_PASSAGES = 500
# Documents quote passages, so that a span occurs in several shards and its count is a sum.
_QUOTES_A_DOCUMENT = 3


class Corpus:
    """What both generations are made of: words, and passages that documents and answers quote."""

    def __init__(self, seed: int = 11):
        """Draws the words and passages."""
        draw = random.Random(seed)
        words = {"".join(draw.choices(_SYLLABLES, k=draw.randint(1, 4))) for _ in range(_WORDS)}
        self._words = sorted(words)
        # As in real text, few words make up most of it.
        self._cumulative_weights = list(itertools.accumulate(1 / (rank + 2) for rank in range(len(self._words))))
        self.passages = tuple(self._sentence(draw, draw.randint(12, 30)) for _ in range(_PASSAGES))

    def documents(self, generation: int, number: int) -> Iterator[str]:
        """Yields the documents of a generation. Two of them quote the same passages, elsewhere and as often or not."""
        draw = random.Random(f"documents of generation {generation}")
        for _ in range(number):
            parts = [self._sentence(draw, draw.randint(8, 20)) for _ in range(draw.randint(4, 24))]
            parts += draw.choices(self.passages, k=_QUOTES_A_DOCUMENT)
            draw.shuffle(parts)
            yield " ".join(parts)

    def answers(self, number: int) -> tuple[str, ...]:
        """Returns answers to trace, all different: passages that are quoted, between words of their own."""
        draw = random.Random("answers")
        return tuple(self._answer(draw) for _ in range(number))

    def _answer(self, draw: random.Random) -> str:
        parts = []
        for passage in draw.sample(self.passages, 4):
            parts += [self._sentence(draw, draw.randint(4, 12)), passage]
        return " ".join(parts)

    def _sentence(self, draw: random.Random, num_words: int) -> str:
        words = draw.choices(self._words, cum_weights=self._cumulative_weights, k=num_words)
        return f"{words[0].capitalize()} {' '.join(words[1:])}."


def write_json_lines(path: Path, texts: Iterator[str] | Sequence[str]) -> Path:
    """Writes documents as `headwater index build` reads them."""
    with path.open("w") as file:
        for number, text in enumerate(texts):
            file.write(json.dumps({"text": text, "source": "made up", "number": number}) + "\n")
    return path
