"""Files that texts are read from: recorded conversations, and corpora."""

import gzip
import io
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import zstandard

from loadtest.errors import LoadTestError
from loadtest.workloads import Question


def read_conversations(path: Path, most_chars: int) -> tuple[Question, ...]:
    """Returns the conversations of a JSONL file: an object with ``prompt`` and ``response`` a line.

    Args:
        path: The file; ``.gz`` and ``.zst`` are unpacked.
        most_chars: Longer answers are cut to that: the server would refuse them.

    Raises:
        LoadTestError: it cannot be read, a line is not like that, or there is none.
    """
    found = []
    for number, fields in _objects(path):
        prompt, response = fields.get("prompt", ""), fields.get("response")
        if not isinstance(prompt, str) or not isinstance(response, str) or not response.strip():
            raise LoadTestError(
                f'{path}:{number}: expected {{"prompt": TEXT, "response": TEXT}}, the response not blank'
            )
        found.append(Question(prompt, response[:most_chars]))
    if not found:
        raise LoadTestError(f"{path}: no conversations, expected one a line")
    return tuple(found)


def sample_documents(path: Path, number: int, seed: int) -> list[str]:
    """Returns the texts of some documents of a corpus: JSONL with ``text``, ``.gz`` and ``.zst`` unpacked.

    Every document has the same chance (reservoir sampling).

    Raises:
        LoadTestError: it cannot be read, a line is not like that, or there is none.
    Cost: reads the whole file; memory for the sample.
    """
    chooser = random.Random(seed)
    kept: list[str] = []
    for seen, (line, fields) in enumerate(_objects(path)):
        text = fields.get("text")
        if not isinstance(text, str):
            raise LoadTestError(f'{path}:{line}: expected {{"text": TEXT}}')
        if len(kept) < number:
            kept.append(text)
        elif (place := chooser.randrange(seen + 1)) < number:
            kept[place] = text
    if not kept:
        raise LoadTestError(f"{path}: no documents, expected one a line")
    return kept


def _objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        with _opened(path) as lines:
            for number, line in zip(itertools.count(1), lines, strict=False):
                if not line.strip():
                    continue
                try:
                    fields = json.loads(line)
                except ValueError as error:
                    raise LoadTestError(f"{path}:{number}: not JSON ({error})") from error
                if not isinstance(fields, dict):
                    raise LoadTestError(f"{path}:{number}: {type(fields).__name__}, expected a JSON object")
                yield number, fields
    except (OSError, EOFError, UnicodeDecodeError, zstandard.ZstdError) as error:
        raise LoadTestError(f"{path}: cannot be read ({error})") from error


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    if path.suffix == ".zst":
        return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(path.open("rb"), closefd=True), "utf-8")
    return path.open(encoding="utf-8")
