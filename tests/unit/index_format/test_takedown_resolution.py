"""Which documents of a shard takedowns concern, as the files of the shard say."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index_format import takedown_resolution
from index_format.document_fields import metadata_fields, sources_of, urls_of
from index_format.document_urls import host_of, normal_url
from index_format.errors import ManifestError
from index_format.manifest import FileEntry, ShardManifest
from index_format.takedown_resolution import TakedownFinder, content_of
from index_format.takedowns import (
    ContentTarget,
    DocumentTarget,
    DomainTarget,
    SourceTarget,
    Target,
    UrlTarget,
    is_at_or_below,
)
from tests.tiny_index import write_shard

INDEX_ID = "0123456789abcdef"


def finder(
    folder: Path,
    documents: Sequence[Sequence[int]],
    width: int = 1,
    metadata: Sequence[Mapping[str, Any]] | None = None,
    write: Callable[[Any], str] = json.dumps,
) -> TakedownFinder:
    """Returns the finder of a shard of these documents; ``write`` makes the metadata lines."""
    write_shard(folder, [list(document) for document in documents], width, metadata, sort=False)
    if metadata is not None:
        lines = [write(fields).encode() + b"\n" for fields in metadata]
        (folder / "metadata.0").write_bytes(b"".join(lines))
        np.cumsum([0, *map(len, lines)])[:-1].astype(np.uint64).tofile(folder / "metaoff.0")
    files = {path.name: FileEntry(path.stat().st_size, "") for path in folder.iterdir()}
    num_tokens = sum(map(len, documents)) + len(documents)
    return TakedownFinder(folder, INDEX_ID, ShardManifest(1, 0, width, num_tokens, len(documents), "", files))


def sha256(document: Sequence[int]) -> str:
    return hashlib.sha256(np.array(document, dtype="<u4").tobytes()).hexdigest()


WORDS = [
    "https://a.example.org/x",
    " HTTP://A.Example.org:80/x\n",
    "https://example.org",
    "http://b.org/",
    "wiki",
    'ä"\\/',
    "u",
    "source",
    "",
]
FIELDS = st.fixed_dictionaries({}, optional={name: st.sampled_from(WORDS) for name in ("url", "source", "path")})
LINES = st.builds(
    lambda outer, inner: {**outer, "metadata": inner},
    FIELDS,
    st.one_of(
        FIELDS,
        st.builds(lambda fields, inner: {**fields, "metadata": inner}, FIELDS, FIELDS),
        st.just({"x": {"url": "wiki"}}),
        st.just({"url": ["wiki"], "source": 5}),
        st.just(None),
    ),
)


def escaped(fields: Any) -> str:
    """Writes JSON with each u escaped, which a reader must not notice."""
    text = json.dumps(fields).replace("/", "\\/")
    return text.replace("u", "\\u0075").replace("n\\u0075ll", "null") if "\\u" not in text else text


@pytest.mark.parametrize("block_bytes", [1, 50, 1 << 16])
@given(
    lines=st.lists(LINES, min_size=1, max_size=8),
    urls=st.sets(st.sampled_from(WORDS[:-1])),
    sources=st.sets(st.sampled_from(WORDS[:-1])),
    domains=st.sets(st.sampled_from(["example.org", "a.example.org", "b.org", "org"])),
    write=st.sampled_from([json.dumps, escaped, lambda fields: json.dumps(fields, ensure_ascii=False)]),
)
def test_metadata_rules_find_what_each_line_says(
    tmp_path_factory: pytest.TempPathFactory,
    block_bytes: int,
    lines: list[Any],
    urls: set[str],
    sources: set[str],
    domains: set[str],
    write: Callable[[Any], str],
) -> None:
    targets: list[Target] = [*map(UrlTarget, urls), *map(SourceTarget, sources), *map(DomainTarget, domains)]
    wanted = []
    for number, fields in enumerate(map(metadata_fields, map(write, lines))):
        hosts = map(host_of, urls_of(fields))
        below = any(is_at_or_below(host, domain) for host in hosts for domain in domains)
        named = set(map(normal_url, urls_of(fields))) & set(map(normal_url, urls))
        if below or named or sources & set(sources_of(fields)):
            wanted.append(number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(takedown_resolution, "_BLOCK_BYTES", block_bytes)
        found = finder(tmp_path_factory.mktemp("shard"), [[1]] * len(lines), metadata=lines, write=write)
        assert found.documents(targets).tolist() == wanted
        assert found.documents([*targets, UrlTarget("nowhere")]).tolist() == wanted


def test_a_url_of_a_document_that_has_metadata_of_its_own_is_found(tmp_path: Path) -> None:
    dolma = {"path": "a.gz", "linenum": 0, "metadata": {"id": "1", "source": "cc", "metadata": {"url": WORDS[0]}}}
    found = finder(tmp_path, [[1], [2]], metadata=[{"x": WORDS[0]}, dolma])
    assert found.documents([DomainTarget("example.org")]).tolist() == [1]
    assert found.documents([UrlTarget(WORDS[0])]).tolist() == [1]


@pytest.mark.parametrize(
    "unreadable",
    ['{"%s": "%s", "n": ' + "7" * 5_000 + "}", '{"%s": "%s", "n": ' + "[" * 10**6, '[{"%s": "%s"}]', '{"%s": "%s"'],
)
@pytest.mark.parametrize("name", ["url", "u\\u0072l"])
@pytest.mark.parametrize("url", ["https://a.example.org/x", "https:\\/\\/a.example.org/\\u0078"])
def test_what_stands_in_a_line_that_cannot_be_read_counts(tmp_path: Path, unreadable: str, name: str, url: str) -> None:
    lines = [unreadable % (name, "https://b.org/x"), unreadable % (name, url)]
    found = finder(
        tmp_path, [[1], [2]], metadata=[{"line": line} for line in lines], write=lambda fields: fields["line"]
    )
    assert found.documents([DomainTarget("example.org")]).tolist() == [1]
    assert found.documents([UrlTarget("https://a.example.org/x")]).tolist() == [1]
    assert found.documents([SourceTarget("https://b.org/x")]).tolist() == [0]


@pytest.mark.parametrize("width", [1, 2, 4])
@pytest.mark.parametrize("block", [1, 2, 1 << 18])
def test_a_content_finds_every_copy_and_nothing_of_its_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, block: int
) -> None:
    monkeypatch.setattr(takedown_resolution, "_BLOCK_DOCUMENTS", block)
    documents: list[list[int]] = [[1, 2], [], [2, 1], [1, 2], [1, 2, 3], []]
    found = finder(tmp_path / "shard", documents, width)
    assert [content_of(found.token_ids(number)) for number in range(6)] == [
        ContentTarget(sha256(d), len(d)) for d in documents
    ]
    for number, document in enumerate(documents):
        copies = [other for other, text in enumerate(documents) if text == document]
        assert found.documents([content_of(found.token_ids(number))]).tolist() == copies
    assert found.documents([ContentTarget("00" * 32, 2)]).tolist() == []


def test_a_document_is_one_in_its_index_and_its_content_in_others(tmp_path: Path) -> None:
    documents = [[1, 2], [3], [1, 2]]
    found = finder(tmp_path / "shard", documents)
    content = ContentTarget(sha256([1, 2]), 2)
    assert found.documents([DocumentTarget(INDEX_ID, 0, 2, content)]).tolist() == [2]
    assert found.documents([DocumentTarget(INDEX_ID, 1, 2, content)]).tolist() == []
    assert found.documents([DocumentTarget(INDEX_ID, 0, 3)]).tolist() == []
    assert found.documents([DocumentTarget("another", 5, 99, content)]).tolist() == [0, 2]
    assert found.documents([DocumentTarget("another", 5, 99)]).tolist() == []


def test_without_metadata_no_word_concerns_anything(tmp_path: Path) -> None:
    found = finder(tmp_path / "shard", [[1]])
    assert found.documents([UrlTarget("x"), DomainTarget("org"), SourceTarget("y")]).tolist() == []


def test_what_was_found_is_not_looked_for_again(tmp_path: Path) -> None:
    found = finder(tmp_path / "shard", [[1], [2]], metadata=[{"url": "x"}, {"url": "y"}])
    assert found.documents([UrlTarget("x")]).tolist() == [0]
    (tmp_path / "shard" / "metadata.0").unlink()
    assert found.documents([UrlTarget("x")]).tolist() == [0]
    with pytest.raises(FileNotFoundError):
        found.documents([UrlTarget("y")])


def test_a_line_may_be_longer_than_a_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(takedown_resolution, "_BLOCK_BYTES", 100)
    metadata = [{"url": "x"}, {"text": "y" * 1000, "url": "z"}, {"url": "z"}]
    found = finder(tmp_path / "shard", [[1]] * 3, metadata=metadata)
    assert found.documents([UrlTarget("z")]).tolist() == [1, 2]


@pytest.mark.parametrize("name", ["metaoff.0", "offset.0", "tokenized.0"])
def test_a_file_that_became_shorter_is_told_and_finds_nothing(tmp_path: Path, name: str) -> None:
    found = finder(tmp_path / "shard", [[1, 2], [3]], metadata=[{"url": "x"}, {"url": "y"}])
    path = tmp_path / "shard" / name
    path.write_bytes(path.read_bytes()[:2])
    with pytest.raises(ManifestError, match=name):
        found.documents([UrlTarget("y"), ContentTarget("00" * 32, 1)])


def test_contents_that_are_remembered_are_not_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [[1, 2], [3], [1, 2], [4, 4]]
    contents = [ContentTarget(sha256(document), len(document)) for document in ([1, 2], [3], [9])]
    elsewhere = DocumentTarget("f" * 16, 0, 7, contents[1])
    first = finder(tmp_path, documents)
    assert first.documents([contents[0], elsewhere, contents[2]]).tolist() == [0, 1, 2]
    known = {content: numbers.tolist() for content, numbers in first.contents.items()}
    assert known == {contents[0]: [0, 2], contents[1]: [1], contents[2]: []}
    second = finder(tmp_path, documents)
    second.remember(first.contents)
    with monkeypatch.context() as patch:
        patch.setattr(TakedownFinder, "_with_contents", None)
        assert second.documents([contents[0], elsewhere, contents[2]]).tolist() == [0, 1, 2]
        assert second.documents([contents[1], DocumentTarget(INDEX_ID, 0, 3)]).tolist() == [1, 3]
    # What the last call did not name is forgotten.
    assert list(second.contents) == [contents[1]]
    assert second.documents(contents).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "broken", [b'{"url": "x', b'{"source": "x\\', b'{"url"', b'{"url":', b'{"url": "https://b.org/', b'"', b"\xff"]
)
def test_a_line_that_is_broken_hides_no_other(tmp_path: Path, broken: bytes) -> None:
    found = finder(tmp_path / "shard", [[1]] * 3, metadata=[{"url": "https://b.org/"}] * 3)
    line = b'{"url": "https://b.org/"}\n'
    (tmp_path / "shard" / "metadata.0").write_bytes(line + broken + b"\n" + line)
    np.array([0, len(line), len(line) + len(broken) + 1], dtype=np.uint64).tofile(tmp_path / "shard" / "metaoff.0")
    assert found.documents([UrlTarget("https://b.org/")]).tolist() == [0, 2]


@pytest.mark.parametrize("host", ["a." * 200 + "example.org", "." * 9_000 + "example.org", "ä." * 200 + "example.org"])
def test_what_is_longer_than_a_host_is_of_no_domain(tmp_path: Path, host: str) -> None:
    lines = [{"url": f"https://{host}/"}, {"url": "https://www.example.org/"}]
    found = finder(tmp_path / "shard", [[1]] * 2, metadata=lines)
    assert found.documents([DomainTarget("example.org")]).tolist() == [1]
    assert found.documents([UrlTarget(f"https://{host}/")]).tolist() == [0]
