"""Seeded random corpora and queries for both engines."""

import random

from tests.property.strategies import ALPHABETS

SEEDS = range(6)


def documents_of(seed: int, width: int, max_documents: int = 12, max_tokens: int = 60) -> list[list[int]]:
    """Returns up to ``max_documents`` documents over four token ids, empty and repeated ones among them."""
    generator = random.Random(seed)
    alphabet = generator.sample(ALPHABETS[width], 4)
    documents = [
        generator.choices(alphabet, k=generator.randint(0, max_tokens))
        for _ in range(generator.randint(1, max_documents))
    ]
    return [*documents, generator.choice(documents)]


def queries_of(seed: int, documents: list[list[int]], width: int, number: int = 40) -> list[list[int]]:
    """Returns queries of 1 to 40 tokens: pieces of the documents with noise between."""
    generator = random.Random(seed + 1_000)
    alphabet = ALPHABETS[width]
    queries = []
    for _ in range(number):
        query: list[int] = []
        for _ in range(generator.randint(1, 4)):
            document = generator.choice(documents)
            start = generator.randint(0, len(document))
            query += document[start : start + generator.randint(0, 10)]
            query += generator.choices(alphabet, k=generator.randint(0, 2))
        queries.append(query or [alphabet[0]])
    return queries
