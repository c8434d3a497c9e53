"""The indexes that the suite serves: two generations of one corpus, with a copy of the first for each replica."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import indexing
from bench.faults.texts import Corpus, write_json_lines
from index_format.layout import TOKENIZER_FILE

NUM_SHARDS = 3
_DOCUMENTS = 3_000
_VOCABULARY = 4_000


@dataclass(frozen=True, slots=True)
class Indexes:
    """Where they are.

    Attributes:
        copies: The first generation, a directory for each replica of its shards: a damaged file harms one only.
        next_generation: Another index with the same tokenizer.
        answers: Answers to trace.
    """

    copies: tuple[Path, ...]
    next_generation: Path
    answers: tuple[str, ...]


def build_indexes(directory: Path, *, num_copies: int, num_answers: int) -> Indexes:
    """Builds both generations, a few megabytes each."""
    corpus = Corpus()
    first, second = directory / "generation-1-copy-0", directory / "generation-2"
    _build(corpus, 1, first, indexing.TrainedTokenizer(_VOCABULARY))
    _build(corpus, 2, second, indexing.TokenizerFile(first / TOKENIZER_FILE))
    copies = [first]
    for number in range(1, num_copies):
        copies.append(directory / f"generation-1-copy-{number}")
        shutil.copytree(first, copies[-1])
    return Indexes(tuple(copies), second, corpus.answers(num_answers))


def _build(corpus: Corpus, generation: int, output: Path, tokenizer: indexing.TokenizerChoice) -> None:
    source = write_json_lines(output.parent / f"{output.name}.jsonl", corpus.documents(generation, _DOCUMENTS))
    plan = indexing.BuildPlan(
        sources=(source,),
        output=output,
        tokenizer=tokenizer,
        shards=NUM_SHARDS,
        stage="pre-training",
        source=f"made up, generation {generation}",
    )
    indexing.build(plan)
