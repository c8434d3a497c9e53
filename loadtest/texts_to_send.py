"""The texts of a load test: recorded ones from a file, those of the corpus from a file or from the server itself."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from loadtest.access import Access
from loadtest.corpus_texts import CorpusWriter
from loadtest.served_texts import ServedTexts
from loadtest.text_files import read_conversations, sample_documents
from loadtest.workloads import Cuts, Question, Texts

# What makes a cold request unlike all others is added to its prompt.
_ROOM_FOR_SERIAL = 64


@dataclass(frozen=True, slots=True)
class Sources:
    """Where texts come from.

    Attributes:
        conversations: JSONL file of recorded prompts and answers; None: none.
        corpus: JSONL file of documents; None: the documents that the server serves.
        documents: Documents that are sampled.
        answers: Answers that are made of them to be asked again and again; others are made when they are needed.
        passages: The same of runs of words that are counted.
        novelty: Share of the words of answers, and of the passages, that stand nowhere in this order.
    """

    conversations: Path | None = None
    corpus: Path | None = None
    documents: int = 200
    answers: int = 500
    passages: int = 500
    novelty: float = 0.3


def gather_texts(access: Access, sources: Sources, seed: int) -> Texts:
    """Returns the texts, none longer than the server takes. Equal files, corpora and seeds give equal ones.

    Raises:
        LoadTestError: a file is not as it should be, or the server does not answer.
    """
    return asyncio.run(_gather(access, sources, seed))


async def _gather(access: Access, sources: Sources, seed: int) -> Texts:
    server = ServedTexts(access)
    described = await server.description()
    most_chars = int(described["max_answer_chars"])
    most_prompt_chars = max(0, int(described["max_prompt_chars"]) - _ROOM_FOR_SERIAL)
    conversations: tuple[Question, ...] = ()
    if sources.conversations is not None:
        conversations = tuple(
            Question(one.prompt[:most_prompt_chars], one.answer)
            for one in read_conversations(sources.conversations, most_chars)
        )
    if sources.corpus is not None:
        documents = sample_documents(sources.corpus, sources.documents, seed)
    else:
        documents = await server.documents(sources.documents, seed)
    writer = CorpusWriter(documents, seed, sources.novelty, most_chars)
    answers = tuple(
        Question(one.prompt[:most_prompt_chars], one.answer)
        for one in (writer.question() for _ in range(sources.answers))
    )
    cuts = Cuts(tuple(documents), seed, sources.novelty, most_chars, most_prompt_chars)
    return Texts(conversations, answers, tuple(writer.passage() for _ in range(sources.passages)), cuts)
