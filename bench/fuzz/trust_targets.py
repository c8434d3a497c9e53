"""Files that say who may ask and what is withheld, and calls that change it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.message import DecodeError, Message

from bench.fuzz.structure import changed_json, changed_messages
from bench.fuzz.target import Target, Workplace
from coordinator.access.key_file import parse_key_file
from coordinator.errors import ConfigurationError
from coordinator.redaction.found import Passage
from coordinator.redaction.patterns import PatternRedactor
from coordinator.takedown_list import TakedownList
from index_format.errors import TakedownError
from index_format.manifest import IndexManifest
from protos.shard.v1 import shard_pb2
from shard_server import takedown_codec
from shard_server.config import ShardServerConfig
from shard_server.errors import ShardServerError
from shard_server.shards import open_shards
from shard_server.takedown_store import TAKEDOWNS_FILE, TakedownStore
from suffix_engine import EngineError

_SHA256 = "0123456789abcdef" * 4


def key_and_takedown_files(place: Workplace) -> Target:
    """A key file, a takedown file of a coordinator and one of a shard server; the first byte says which."""
    folder = Path(place.folder)
    document = {"index_id": "1f2e", "shard": 0, "number": 5, "content": {"sha256": _SHA256, "num_tokens": 8}}
    listed = {
        "version": 1,
        "epoch": 7,
        "takedowns": [
            {"id": "t-1", "domain": "example.org", "corpora": ["pre"], "reason": "17", "added_s": 1_790_000_000},
            {"id": "t-2", "corpora": ["pre"], "document": document},
            {"id": "t-3", "url": "https://example.org/a"},
        ],
    }
    now = datetime(2026, 11, 1, tzinfo=UTC).isoformat()
    holder = {
        "id": "page",
        "roles": ["trace", "read-document"],
        "secrets": [{"sha256": _SHA256, "not_before": now}],
        "limits": {"tokens_per_s": 5.5, "document_bytes_per_hour": 100},
        "comment": "x",
    }
    store = TakedownStore(folder)

    def kept(content: bytes) -> None:
        (folder / TAKEDOWNS_FILE).write_bytes(content)
        store.load()

    readers: tuple[Callable[[bytes], object], ...] = (
        lambda content: parse_key_file(content, Path("keys.yaml")),
        lambda content: TakedownList.parse(content, Path("takedowns.json")).to_json(),
        kept,
    )

    def run(content: bytes) -> None:
        try:
            readers[content[0] % len(readers) if content else 0](content[1:])
        except (ConfigurationError, TakedownError, ShardServerError):
            return

    of_shard = {"epoch": 7, "index_id": "1f2e", "takedowns": [{"id": "t-3", "url": "https://example.org/a"}]}
    seeds = [
        b"\0" + json.dumps({"keys": [holder]}).encode(),
        b"\1" + json.dumps(listed).encode(),
        b"\2" + json.dumps({"version": 1, "sha256": _SHA256, "list": of_shard}).encode(),
    ]
    words = (b'"sha256"', b'"epoch"', b'"corpora"', b'"source"', b"!!timestamp x", b"0x", b"[::1]", b"xn--")
    return Target(run, seeds, words, changed_json(lambda _: 1))


def redacted_texts(_place: Workplace) -> Target:
    """Texts of documents, in which personal data and keys are sought; the first byte says at which ends it is cut."""
    redactor = PatternRedactor()

    def run(content: bytes) -> None:
        text = content[1:].decode(errors="replace")
        cuts = content[0] if content else 0
        (found,) = redactor.find([Passage(text, bool(cuts & 1), bool(cuts & 2))])
        assert all(0 <= one.start < one.end <= len(text) for one in found)

    seeds = [
        b"\1Write to jane.doe@example.org, or call +49 30 901820, (415) 555-2671; 8.8.8.8, 2001:4860:4860::8888.",
        b"\2key AKIAIOSFODNN7EXAMPLE ghp_0123456789abcdefghijABCDEFGHIJ012345 card 4111 1111 1111 1111 ",
        b"\3-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
        b"\0 eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV",
    ]
    words = (b"@", b".", b"-", b"+", b"a@" * 3000, b"1." * 3000, b"0-" * 3000, b":" * 3000, b"x.y" * 2000 + b"@")
    return Target(run, seeds, words)


def takedown_requests(place: Workplace) -> Target:
    """Calls of a coordinator that withhold documents of a shard server, or look for them."""
    config = ShardServerConfig(index=Path(place.index), search_threads=1, state_dir=Path(place.folder) / "state")
    shards = open_shards(config)
    index_id = IndexManifest.load(Path(place.index)).index_id
    takedowns = [
        shard_pb2.Takedown(id="t-1", domain="example.org"),
        shard_pb2.Takedown(id="t-2", document=shard_pb2.DocumentTarget(index_id=index_id, number=1)),
        shard_pb2.Takedown(id="t-3", content=shard_pb2.ContentTarget(sha256=_SHA256, num_tokens=9)),
        shard_pb2.Takedown(id="t-4", source="tiny"),
    ]
    seeds: list[Message] = [
        shard_pb2.SetTakedownsRequest(epoch=3, takedowns=takedowns),
        shard_pb2.FindDocumentsRequest(
            index_id=index_id, takedown=takedowns[1], max_documents=5, min_copied_share=0.1, max_token_ids=50
        ),
    ]
    answers: tuple[Callable[..., Message], ...] = (takedown_codec.set_takedowns, takedown_codec.find_documents)
    kinds = [type(seed) for seed in seeds]

    def run(content: bytes) -> None:
        which = content[0] % len(kinds) if content else 0
        try:
            answers[which](kinds[which].FromString(content[1:]), shards, config).SerializeToString()
        except (DecodeError, EngineError, ShardServerError):
            return

    tagged = [bytes([number]) + seed.SerializeToString() for number, seed in enumerate(seeds)]
    return Target(run, tagged, (b"example.org", index_id.encode()), changed_messages(kinds))
