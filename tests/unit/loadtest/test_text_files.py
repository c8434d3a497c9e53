"""Files of conversations and of documents."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard

from loadtest.errors import LoadTestError
from loadtest.text_files import read_conversations, sample_documents
from loadtest.workloads import Question

LINES = [{"id": "1", "prompt": "Who?", "response": "A naïve fox."}, {"response": "No prompt here."}]


def packed(directory: Path, suffix: str, lines: list[object]) -> Path:
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    path = directory / f"file.jsonl{suffix}"
    pack = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}[suffix]
    path.write_bytes(pack(content))
    return path


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.usefixtures("leaves_nothing_behind")
def test_conversations_are_read_packed_or_not(tmp_path: Path, suffix: str) -> None:
    found = read_conversations(packed(tmp_path, suffix, LINES), 9)
    assert found == (Question("Who?", "A naïve f"), Question("", "No prompt"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"response": "a"}\n{"response": 7}\n', ":2: expected"),
        (b'{"response": " "}\n', ":1: expected"),
        (b'{"prompt": null, "response": "a"}\n', ":1: expected"),
        (b"[1]\n", ":1: list, expected a JSON object"),
        (b'\n{"response"\n', ":2: not JSON"),
        (b"\n\n", "no conversations"),
        (b'{"response": "\xff"}\n', "cannot be read"),
    ],
)
def test_a_wrong_line_is_refused_with_its_number(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "file.jsonl"
    path.write_bytes(content)
    with pytest.raises(LoadTestError, match=message):
        read_conversations(path, 100)


@pytest.mark.parametrize("name", ["none.jsonl", "broken.jsonl.gz", "broken.jsonl.zst"])
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    for broken in ("broken.jsonl.gz", "broken.jsonl.zst"):
        (tmp_path / broken).write_bytes(b"not packed at all")
    with pytest.raises(LoadTestError, match="cannot be read"):
        read_conversations(tmp_path / name, 100)
    with pytest.raises(LoadTestError, match="cannot be read"):
        sample_documents(tmp_path / name, 5, 1)


def test_every_document_has_the_same_chance(tmp_path: Path) -> None:
    path = packed(tmp_path, "", [{"text": f"document {number}"} for number in range(20)])
    drawn = [text for seed in range(400) for text in sample_documents(path, 5, seed)]
    counts = {text: drawn.count(text) for text in set(drawn)}
    assert len(counts) == 20
    assert all(60 <= count <= 145 for count in counts.values()), counts  # 100, four deviations
    assert sample_documents(path, 5, 1) == sample_documents(path, 5, 1)
    assert len(sample_documents(path, 50, 1)) == 20


def test_documents_need_a_text(tmp_path: Path) -> None:
    with pytest.raises(LoadTestError, match=r':1: expected \{"text"'):
        sample_documents(packed(tmp_path, "", [{"body": "x"}]), 5, 1)
    with pytest.raises(LoadTestError, match="no documents"):
        sample_documents(packed(tmp_path, ".gz", []), 5, 1)
