"""Answers like a model's, made of a corpus: passages that stand in it, and words in an order that stands nowhere.

Lengths are log-normal, as those of recorded answers are. A passage is long or short at random, so that spans are too.
"""

import random
import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, chain, islice

from loadtest.errors import LoadTestError
from loadtest.workloads import Cuts, Question

# Words of an answer: half are longer than the first number, and one in six longer than twice that. The 49 answers of
# OLMoTrace's public load test have 458 Llama-2 tokens on average, about 330 words.
_MEDIAN_WORDS, _SPREAD = 250, 0.7
_LEAST_WORDS, _MOST_WORDS = 20, 3_000
# Words of a stretch that is copied, and of one that is not.
_COPIED_WORDS = (4, 40)
# Words of a prompt.
_PROMPT_WORDS = (3, 15)
# As contamination is looked for since GPT-3: runs of 13 words.
PASSAGE_WORDS = 13
# Nothing is cut from what comes after.
_MOST_WORDS_OF_A_DOCUMENT = 2_000
_WORD = re.compile(r"\S+")


class CorpusWriter:
    """Writes answers from documents; equal documents and seeds give equal answers."""

    def __init__(self, documents: Sequence[str], seed: int, novelty: float, most_chars: int):
        """Takes the documents.

        Args:
            documents: Texts of documents of the corpus.
            seed: Of everything drawn.
            novelty: Share of the words of an answer that are not copied, 0 to 1.
            most_chars: Longest answer.

        Raises:
            LoadTestError: the documents are too short, or the share is none.
        """
        if not 0 <= novelty <= 1:
            raise LoadTestError(f"novelty {novelty:g}, expected a share from 0 to 1")
        # Where each word begins and ends, one after the other: of many documents these are many.
        cut = ((document, _bounds(document)) for document in documents)
        self._documents = [(document, bounds) for document, bounds in cut if len(bounds) >= 2 * PASSAGE_WORDS]
        if not self._documents:
            raise LoadTestError(
                f"{len(documents)} documents of the corpus, none with {PASSAGE_WORDS} words; expected some to cut from"
            )
        self._word_ends = list(accumulate(len(bounds) // 2 for _, bounds in self._documents))
        self._random = random.Random(seed)
        self._novelty = novelty
        self._most_chars = most_chars

    def begin_anew(self, seed: str) -> None:
        """Makes what follows depend on this seed alone."""
        self._random.seed(seed)

    def question(self) -> Question:
        """Returns a prompt and an answer."""
        return Question(self._copied(*_PROMPT_WORDS), self.answer())

    def answer(self) -> str:
        """Returns an answer: stretches of documents, and of words drawn one by one, in the order of a coin's throws."""
        length = round(_MEDIAN_WORDS * self._random.lognormvariate(0.0, _SPREAD))
        length = min(max(length, _LEAST_WORDS), _MOST_WORDS)
        stretches: list[str] = []
        number = 0
        while number < length:
            size = min(self._random.randint(*_COPIED_WORDS), length - number)
            # Both kinds of stretches are equally long on average, so the share of words is that of stretches.
            stretch = self._novel(size) if self._random.random() < self._novelty else self._copied(size, size)
            stretches.append(stretch)
            number += len(stretch.split())
        return " ".join(stretches)[: self._most_chars]

    def passage(self) -> str:
        """Returns a run of words to count: copied from a document, or new."""
        if self._random.random() < self._novelty:
            return self._novel(PASSAGE_WORDS)
        return self._copied(PASSAGE_WORDS, PASSAGE_WORDS)

    def _copied(self, least: int, most: int) -> str:
        """Returns a stretch of a document, with the spaces that it has there; as long as the document allows."""
        document, bounds = self._random.choice(self._documents)
        num_words = len(bounds) // 2
        size = min(self._random.randint(least, most), num_words)
        first = self._random.randrange(num_words - size + 1)
        return document[bounds[2 * first] : bounds[2 * (first + size) - 1]]

    def _novel(self, size: int) -> str:
        # Drawn as often as they occur: such runs match in two or three words, as new text does.
        return " ".join(self._word(self._random.randrange(self._word_ends[-1])) for _ in range(size))

    def _word(self, number: int) -> str:
        """Returns a word by its number in all documents."""
        place = bisect_right(self._word_ends, number)
        document, bounds = self._documents[place]
        first = 2 * (number - self._word_ends[place]) + len(bounds)
        return document[bounds[first] : bounds[first + 1]]


class FreshTexts:
    """Makes texts that are asked once: equal cuts and numbers give equal ones, whoever makes them."""

    def __init__(self, cuts: Cuts):
        """Takes what they are made of."""
        self._writer = CorpusWriter(cuts.documents, cuts.seed, cuts.novelty, cuts.most_chars)
        self._cuts = cuts

    def question(self, number: int) -> Question:
        """Returns the prompt and the answer of a request."""
        self._writer.begin_anew(f"{self._cuts.seed} question {number}")
        made = self._writer.question()
        return Question(made.prompt[: self._cuts.most_prompt_chars], made.answer)

    def passage(self, number: int) -> str:
        """Returns the run of words of a request."""
        self._writer.begin_anew(f"{self._cuts.seed} passage {number}")
        return self._writer.passage()


def _bounds(document: str) -> "array[int]":
    words = islice(_WORD.finditer(document), _MOST_WORDS_OF_A_DOCUMENT)
    return array("I", chain.from_iterable(word.span() for word in words))
