"""A sample of sentences, code and maths in which what is personal is marked: ``{{EMAIL:jo@example.com}}``."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from coordinator.redaction.found import Found

_MARK = re.compile(r"\{\{([A-Z]+):(.*?)\}\}")


class Labelled(NamedTuple):
    """A text, and what in it is personal."""

    kind_of_text: str
    text: str
    labels: tuple[Found, ...]


def read_sample(folder: Path) -> Iterator[Labelled]:
    r"""Yields the lines of the files in a folder; ``\n`` in a line stands for a line break."""
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            text, labels, end = "", [], 0
            for mark in _MARK.finditer(line):
                text += _unescaped(line[end : mark.start()])
                value = _unescaped(mark[2])
                labels.append(Found(len(text), len(text) + len(value), mark[1]))
                text += value
                end = mark.end()
            yield Labelled(path.stem, text + _unescaped(line[end:]), tuple(labels))


def _unescaped(text: str) -> str:
    return text.replace("\\n", "\n")
