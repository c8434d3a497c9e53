"""An index whose files hold random bytes, for what only moves indexes, and a store that speaks S3 to put it on."""

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from index_format.layout import CORE_FILES, shard_folder
from index_format.manifest import FORMAT_VERSION, FileEntry, IndexManifest, ShardManifest, index_id_of
from indexing.remote_path import RemotePath
from tests.s3_server import S3Server, s3_server

URL = RemotePath("s3://bucket/indexes/one")
_TOKENIZER = b'{"any": "content"}'


def write_random_index(directory: Path, *, shards: int = 2, text_bytes: int = 400_000, seed: int = 1) -> IndexManifest:
    """Writes an index of which only sizes and checksums are right."""
    chooser = random.Random(seed)
    tokenizer_sha256 = hashlib.sha256(_TOKENIZER).hexdigest()
    directory.mkdir(parents=True)
    (directory / "tokenizer.json").write_bytes(_TOKENIZER)
    manifests = []
    for number in range(shards):
        folder = directory / shard_folder(number)
        folder.mkdir()
        entries = {}
        for name in CORE_FILES:
            content = chooser.randbytes(text_bytes if name == CORE_FILES[0] else 1000)
            (folder / name).write_bytes(content)
            entries[name] = FileEntry(len(content), hashlib.sha256(content).hexdigest())
        manifests.append(ShardManifest(FORMAT_VERSION, number, 2, 10, 1, tokenizer_sha256, entries))
        manifests[-1].save(folder)
    manifest = IndexManifest(
        format_version=FORMAT_VERSION,
        index_id=index_id_of(manifests),
        token_width=2,
        num_shards=shards,
        num_tokens=10 * shards,
        num_documents=shards,
        tokenizer="tokenizer.json",
        tokenizer_sha256=tokenizer_sha256,
        vocab_size=300,
        stage="",
        source="",
        built_by="a test",
    )
    manifest.save(directory)
    return manifest


def tree(directory: Path) -> dict[str, bytes]:
    """Returns the content of every file below a directory."""
    paths = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}


def stored_tree(server: S3Server, url: RemotePath = URL) -> dict[str, bytes]:
    """Returns the content of every object below a URL."""
    bucket, _, folder = url.url.removeprefix("s3://").partition("/")
    objects = server.buckets[bucket].items()
    return {key.removeprefix(f"{folder}/"): content for key, content in objects if not key.endswith("/")}


@contextmanager
def configured_s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """Yields a store with an empty ``bucket`` that this process, and those it starts, take for S3."""
    with s3_server("bucket") as server:
        variables = {
            "AWS_ENDPOINT_URL": server.endpoint,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "very-secret",
            "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # Pauses between tries are for outages, not for tests.
        monkeypatch.setattr("indexing.storage._PAUSES_S", (0.01,))
        monkeypatch.setattr("indexing.remote_arrow._ATTEMPTS", 2)
        yield server
