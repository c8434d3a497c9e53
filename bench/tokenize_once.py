"""``python -m bench.tokenize_once NAME KIND``: measures one tokenizer on one kind of documents, and prints JSON.

A process of its own, as the tokenizers package reads early, and once, how many cores it may use.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tokenizers
import zstandard

from bench.corpus import SHARED_DATA
from index_format.tokenizer import JsonTokenizer, TokenIds
from indexing.tokenizing import encoder_of

# Every so many-th document: the package alone would take minutes for all.
SHORT_STEP = 8
_LONG_STEP = 24
LONG_CHARACTERS = 500_000
_BATCH_CHARACTERS = 1 << 20


def measure(name: str, kind: str) -> dict[str, int | float | str]:
    """Returns what `bench.tokenize` shows of a tokenizer on ``short`` or ``long`` documents."""
    path = SHARED_DATA / "tokenizers" / f"{name}.json"
    package = tokenizers.Tokenizer.from_file(str(path))
    ours = encoder_of(JsonTokenizer.from_file(path))
    texts = list(_texts(SHORT_STEP) if kind == "short" else _joined(_texts(_LONG_STEP)))

    def alone(batch: Sequence[str]) -> list[TokenIds]:
        encodings = package.encode_batch_fast(list(batch), add_special_tokens=False)
        return [np.array(encoding.ids, dtype=np.uint32) for encoding in encodings]

    wanted, alone_seconds = _timed(alone, texts)
    found, our_seconds = _timed(ours.encode_batch, texts)
    _, our_warm_seconds = _timed(ours.encode_batch, texts)
    return {
        "num_documents": len(texts),
        "num_tokens": sum(map(len, wanted)),
        "alone_seconds": alone_seconds,
        "our_seconds": our_seconds,
        "our_warm_seconds": our_warm_seconds,
        "first_difference": _first_difference(found, wanted),
    }


def _timed(encode: Callable[[Sequence[str]], list[TokenIds]], texts: Sequence[str]) -> tuple[list[TokenIds], float]:
    token_ids: list[TokenIds] = []
    began = time.process_time()
    for batch in _batches(texts):
        token_ids += encode(batch)
    return token_ids, time.process_time() - began


def _first_difference(found: Sequence[TokenIds], wanted: Sequence[TokenIds]) -> str:
    for number, (one, other) in enumerate(zip(found, wanted, strict=True)):
        if not np.array_equal(one, other):
            return f"the tokens of document {number} differ"
    return ""


def _texts(step: int) -> Iterator[str]:
    with (SHARED_DATA / "corpus.jsonl.zst").open("rb") as packed:
        lines = io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(packed), encoding="utf-8", newline="\n")
        for number, line in enumerate(lines):
            if number % step == 0:
                yield json.loads(line)["text"]


def _joined(texts: Iterator[str]) -> Iterator[str]:
    """Yields long documents; what is left at the end is dropped."""
    held: list[str] = []
    for text in texts:
        held.append(text)
        if sum(map(len, held)) >= LONG_CHARACTERS:
            yield "\n".join(held)
            held = []


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if sum(map(len, batch)) >= _BATCH_CHARACTERS:
            yield batch
            batch = []
    if batch:
        yield batch


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], sys.argv[2])))
