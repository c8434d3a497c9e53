"""What is asked: the kinds of requests, the texts they are made of, and how the kinds are mixed."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from loadtest.errors import LoadTestError


class Workload(StrEnum):
    """A kind of request. A schedule holds the number of each, its place in `list(Workload)`."""

    CONVERSATIONS = "conversations"
    """`Trace` of recorded answers."""
    CORPUS = "corpus"
    """`Trace` of answers made of passages of the corpus and of words that are not in this order anywhere."""
    STREAM = "stream"
    """`TraceStream` of the texts of both."""
    CONTAMINATION = "contamination"
    """`Count` of runs of 13 words, as who asks whether a benchmark is in the corpus."""


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and the answer to trace."""

    prompt: str
    answer: str


@dataclass(frozen=True, slots=True)
class Cuts:
    """What a text that is asked once is made of, when it is needed: one for each cold request.

    Attributes:
        documents: Documents of the corpus.
        seed: Together with the number of a request, of everything drawn.
        novelty: Share of the words that stand nowhere in this order.
        most_chars: Longest answer.
        most_prompt_chars: Longest prompt.
    """

    documents: tuple[str, ...]
    seed: int
    novelty: float
    most_chars: int
    most_prompt_chars: int


@dataclass(frozen=True, slots=True)
class Texts:
    """What requests are made of.

    Attributes:
        conversations: Recorded prompts and answers.
        answers: Those made of the corpus.
        passages: Runs of words to count.
        cuts: What the answers and runs of words of cold requests are made of; None: they are those above.
    """

    conversations: tuple[Question, ...] = ()
    answers: tuple[Question, ...] = ()
    passages: tuple[str, ...] = ()
    cuts: Cuts | None = None

    def is_made(self, workload: Workload, text: int) -> bool:
        """Returns whether a text is one of those made of the corpus, for which a cold request has one of its own."""
        made = workload in (Workload.CORPUS, Workload.CONTAMINATION)
        return self.cuts is not None and (made or (workload is Workload.STREAM and text >= len(self.conversations)))

    def questions(self, workload: Workload) -> tuple[Question, ...]:
        """Returns the questions that a workload chooses from; none for one that counts."""
        return {
            Workload.CONVERSATIONS: self.conversations,
            Workload.CORPUS: self.answers,
            Workload.STREAM: self.conversations + self.answers,
            Workload.CONTAMINATION: (),
        }[workload]

    def number(self, workload: Workload) -> int:
        """Returns how many texts a workload chooses from."""
        return len(self.passages) if workload is Workload.CONTAMINATION else len(self.questions(workload))


@dataclass(frozen=True, slots=True)
class Mix:
    """How the requests of a load are mixed.

    Attributes:
        shares: Share of each workload in the requests; positive, in all 1.
        hot_share: Share of the traces that ask for one of a few texts again, word for word, so that a result cache can
            have it. The others are cold: no two have the same prompt, nor the same answer where answers are made.
        hot_texts: How many texts of each workload are hot; 0: all.
    """

    shares: Mapping[Workload, float]
    hot_share: float = 0.2
    hot_texts: int = 16


def mix_of(weights: Mapping[Workload, float], texts: Texts, hot_share: float, hot_texts: int = 16) -> Mix:
    """Returns the mix of workloads with these weights.

    Raises:
        LoadTestError: no weight is positive, one is negative, or a workload has no texts.
    """
    wanted = {workload: weight for workload, weight in weights.items() if weight}
    if not wanted or min(wanted.values()) < 0:
        raise LoadTestError(f"weights {dict(weights)}, expected positive ones of some workloads")
    if not 0 <= hot_share <= 1:
        raise LoadTestError(f"share of hot requests {hot_share}, expected 0 to 1")
    missing = [workload.value for workload in wanted if not texts.number(workload)]
    if missing:
        raise LoadTestError(f"no texts for {', '.join(missing)}; name a file of conversations, or a corpus")
    total = sum(wanted.values())
    return Mix({workload: weight / total for workload, weight in wanted.items()}, hot_share, hot_texts)
