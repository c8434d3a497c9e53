"""Files of an index and files of operators: what is opened at the start, and what is looked at while serving."""

import contextlib
import json
import os
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import yaml

from bench.fuzz.structure import changed_json
from bench.fuzz.target import Target, Workplace
from coordinator.cluster.cluster_file import load_cluster_file
from coordinator.config import CoordinatorConfig
from coordinator.errors import ConfigurationError
from index_format.errors import IndexFormatError, ManifestError
from index_format.layout import CORE_FILES, INDEX_MANIFEST, SHARD_MANIFEST, SIDECARS, shard_folder
from index_format.manifest import IndexManifest, ShardManifest
from index_format.removed_documents import load_removed, removed_file, save_removed
from index_format.tokenizer import JsonTokenizer
from runtime.errors import SettingsError
from runtime.settings import load_settings
from suffix_engine import EngineError, ShardIndex, ThreadPool

_HEADER_BYTES = 64


def index_files(place: Workplace) -> Target:
    """Any file of a shard, opened and searched by the engine. The first byte says which file, and whether to seal it.

    A sealed sidecar has checksums that are right, as one who forges it would give it.
    """
    shard = Path(place.index) / shard_folder(0)
    width = ShardManifest.load(shard).token_width
    names = (*CORE_FILES, *SIDECARS)
    contents = {name: (shard / name).read_bytes() for name in names}
    folder = Path(place.folder) / "shard"
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    tokens = np.frombuffer(contents[names[0]], dtype=f"<u{width}")
    query = tokens[tokens != np.iinfo(tokens.dtype).max][:24].astype("<u4")
    starts = np.arange(len(query), dtype="<u4").tobytes()
    pool = ThreadPool(1)

    def ask() -> None:
        opened = ShardIndex.open(folder, token_width=width, pool=pool)
        found = opened.longest_matches(query.tobytes(), starts, b"")
        ranks = np.frombuffer(found.rank_starts, dtype="<u8")[:5]
        first, last = opened.find(query[:2].tolist())
        assert 0 <= first <= last <= opened.num_tokens
        _quietly(lambda: opened.positions(ranks.tolist()))
        for number in (0, 1, max(0, opened.num_documents - 1)):
            _quietly(partial(opened.metadata, number))
            _quietly(partial(opened.document, number, 0, 50))
        _quietly(partial(ask_without_a_document, opened))
        _quietly(opened.verify)

    def ask_without_a_document(opened: ShardIndex) -> None:
        view = opened.without(bytes(8))
        view.longest_matches(query.tobytes(), starts, b"")
        first, last = view.find(query[:2].tolist())
        assert 0 <= first <= last <= view.num_tokens <= opened.num_tokens

    def run(content: bytes) -> None:
        which = content[0] if content else 0
        name, sealed, changed = names[which % len(names)], which >= 128, bytearray(content[1:])
        if sealed and name in SIDECARS and len(changed) >= _HEADER_BYTES:
            changed[36:40] = zlib.crc32(changed[_HEADER_BYTES:]).to_bytes(4, "little")
            changed[60:64] = zlib.crc32(changed[:60]).to_bytes(4, "little")
        _replace(folder / name, bytes(changed))
        try:
            _quietly(ask)
        finally:
            _replace(folder / name, contents[name])

    seeds = [bytes([number]) + contents[name] for number, name in enumerate(names)]
    seeds += [bytes([(128 // len(names) + 1) * len(names) + number]) + seed[1:] for number, seed in enumerate(seeds)]
    return Target(run, seeds, (b"\xff" * 8, b"\xff" * width, bytes(16)))


def _quietly(ask: Callable[[], object]) -> None:
    with contextlib.suppress(EngineError):
        ask()


def _replace(path: Path, content: bytes) -> None:
    """Puts a new file there: the old one may be mapped."""
    beside = path.with_name("beside")
    beside.write_bytes(content)
    os.replace(beside, path)


def manifests(place: Workplace) -> Target:
    """The manifests of an index and of a shard, and the list of removed documents; the first byte says which."""
    index, shard = Path(place.index), Path(place.index) / shard_folder(0)
    folder = Path(place.folder)
    whole, part = IndexManifest.load(index), ShardManifest.load(shard)
    listed = folder / removed_file(save_removed(folder, [np.array([0, 2], dtype="<u8")]))
    list_content = listed.read_bytes()

    def removed(content: bytes) -> None:
        import hashlib
        from dataclasses import replace

        sha256 = hashlib.sha256(content).hexdigest()
        path = folder / removed_file(sha256)
        path.write_bytes(content)
        try:
            load_removed(folder, replace(whole, removed_sha256=sha256, removed_documents=2), [part])
        finally:
            path.unlink(missing_ok=True)

    def one(content: bytes) -> None:
        found = ShardManifest.parse(content, "shard.json")
        found.to_json()
        found.check_files(shard)

    readers: tuple[Callable[[bytes], object], ...] = (
        lambda content: IndexManifest.parse(content, "index.json").to_json(),
        one,
        removed,
    )

    def run(content: bytes) -> None:
        with contextlib.suppress(ManifestError):
            readers[content[0] % len(readers) if content else 0](content[1:])

    seeds = [
        b"\0" + (index / INDEX_MANIFEST).read_bytes(),
        b"\1" + (shard / SHARD_MANIFEST).read_bytes(),
        b"\2" + list_content,
    ]
    words = (b'"files"', b'"generation": 3', b'"dealing": [1]', b"../x", b"\\u0000")
    return Target(run, seeds, words, changed_json(lambda _: 1))


def tokenizers(place: Workplace) -> Target:
    """A ``tokenizer.json``, loaded and used on a text."""
    seeds = [Path(path).read_bytes() for path in sorted(Path(place.index).glob("tokenizer.json"))]

    def run(content: bytes) -> None:
        try:
            tokenizer = JsonTokenizer(content)
            text = "The quick brown fox, naïvely, 12 times."
            found = tokenizer.encode(text)
            assert len(found.boundaries) == len(found.token_ids) + 1
        except IndexFormatError:
            pass

    words = (b'"type"', b'"vocab"', b'"merges"', b'"normalizer"', b'"NFKC"', b'"added_tokens"', b'"Split"', b"(a+)+$")
    return Target(run, seeds, words, changed_json())


def operators_files(place: Workplace) -> Target:
    """A cluster file or the settings of a process, as YAML; the first byte says which."""
    folder = Path(place.folder)
    cluster, settings = folder / "cluster.yaml", folder / "settings.yaml"
    shards = [{"shard": number, "replicas": ["127.0.0.1:7001", "host.example:7002"]} for number in range(2)]
    corpus = {"name": "web", "display_name": "Web", "stage": "pre-training", "index": "/srv/a", "shards": shards}
    seeds = [
        b"\0" + yaml.safe_dump({"corpora": [corpus]}).encode(),
        b"\0" + json.dumps({"corpora": [corpus]}).encode(),
        b"\0corpora: [{name: a, index: &i /srv/a, shards: [{shard: 0, replicas: ['[::1]:7001']}]}]\n",
        b"\1cluster_file: /srv/cluster.yaml\nmax_windows: 100\nlog_level: debug\nrate_limit_tokens_per_s: 1.5\n",
    ]

    def run(content: bytes) -> None:
        path = settings if content[:1] == b"\1" else cluster
        path.write_bytes(content[1:])
        try:
            if path is cluster:
                load_cluster_file(path)
            else:
                load_settings(CoordinatorConfig, "X_", config_file=path)
        except (ConfigurationError, SettingsError):
            pass

    words = (
        b"&a [",
        b"*a",
        b"!!python/object:os.system",
        b"!!int ",
        b"!!bool x",
        b"!!timestamp x",
        b"!!float x",
        b"!!binary x",
        b"!!set",
        b"2001-99-99",
        b"0x",
        b"0b",
        b"1:60:60",
        b"? ",
        b"<<: ",
        b"---\n",
        b"...\n",
        b": ",
        b"- ",
        b"%YAML 9.9\n---\n",
        b"[" * 300,
        b"{a: " * 300,
    )
    return Target(run, seeds, words, changed_json(lambda _: 1))
