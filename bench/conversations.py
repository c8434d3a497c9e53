"""Prompt and answer pairs to trace."""

import json
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class Conversation:
    """One prompt and the answer to trace."""

    id: str
    prompt: str
    response: str


def read_conversations(path: Path) -> list[Conversation]:
    """Returns the conversations of a JSONL file: ``{"id", "prompt", "response"}`` a line.

    Raises:
        BenchError: there is no such file, or a line is not like that.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BenchError(f"{path}: cannot read the conversations ({error.strerror})") from error
    return [_conversation(line, f"{path}:{number}") for number, line in enumerate(lines, start=1)]


def _conversation(line: str, where: str) -> Conversation:
    try:
        fields = json.loads(line)
        return Conversation(fields["id"], fields["prompt"], fields["response"])
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f'{where}: expected {{"id", "prompt", "response"}} ({error!r})') from error
