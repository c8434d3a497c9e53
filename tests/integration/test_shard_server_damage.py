"""A byte of the index changes on disk: found before serving, or while serving, and never answered over in silence."""

import asyncio
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import generate_latest

import suffix_engine
from index_format.errors import IndexFormatError, TokenizerError
from index_format.layout import CORE_FILES, DIRECTORY, FAN_OUT, SIDECARS
from index_format.manifest import ShardManifest
from protos.shard.v1 import shard_pb2 as pb
from shard_server.checksums import damage_of, published_files
from shard_server.config import ShardServerConfig
from shard_server.errors import DamagedFileError
from shard_server.metrics import Metrics
from shard_server.server import serving
from shard_server.shards import open_shards
from tests.integration.shard_calls import search, status_of, write_two_shards
from tests.running_servers import stub_of

FILES = tuple(f"shard_00001/{name}" for name in (*CORE_FILES, *SIDECARS))


pytestmark = pytest.mark.usefixtures("leaves_nothing_behind")


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


def flip(path: Path, offset: int | None = None) -> None:
    """Flips one bit, in the middle if it is not said where. In place, as a disk would: a server has the file mapped."""
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(size // 2 if offset is None else offset)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def checked(index: Path, **settings: object) -> ShardServerConfig:
    return ShardServerConfig.model_validate({"index": index, "check_files": "checksums", **settings})


def test_an_index_as_it_was_published_passes(index: Path) -> None:
    assert list(open_shards(checked(index)).by_number) == [0, 1]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_changed_byte_in_any_file_of_a_shard_is_refused_by_the_file_s_name(
    index: Path, name: str, place: str
) -> None:
    size = (index / name).stat().st_size
    flip(index / name, {"first": 0, "middle": size // 2, "last": size - 1}[place])
    with pytest.raises(DamagedFileError, match=f"{name}: content has sha256 [0-9a-f]{{64}}, .* was published; "):
        open_shards(checked(index))


def test_only_the_files_of_the_served_shards_are_read(index: Path) -> None:
    flip(index / FILES[0])
    assert list(open_shards(checked(index, shards=[0])).by_number) == [0]


def test_a_changed_byte_of_the_tokenizer_is_refused_however_files_are_checked(index: Path) -> None:
    flip(index / "tokenizer.json")
    with pytest.raises((TokenizerError, DamagedFileError), match=r"tokenizer\.json"):
        open_shards(checked(index))
    with pytest.raises(TokenizerError):
        open_shards(ShardServerConfig(index=index))


@pytest.mark.parametrize("name", ["index.json", "shard_00001/shard.json"])
def test_a_changed_byte_of_a_manifest_is_refused_or_changes_nothing_that_is_served(index: Path, name: str) -> None:
    before = open_shards(checked(index))
    expected = (before.index, {number: shard.num_tokens for number, shard in before.by_number.items()})
    content = (index / name).read_bytes()
    for offset in range(0, len(content), 7):
        (index / name).write_bytes(content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :])
        try:
            after = open_shards(checked(index))
        except (IndexFormatError, DamagedFileError, suffix_engine.EngineError):
            continue
        if name != "index.json":  # labels stand in it too, and the id, which the coordinator compares
            assert (after.index, {n: shard.num_tokens for n, shard in after.by_number.items()}) == expected


@pytest.mark.parametrize("name", [FAN_OUT, DIRECTORY])
def test_a_changed_byte_in_the_header_of_a_sidecar_is_refused_at_open_without_checksums(index: Path, name: str) -> None:
    for offset in range(16):
        flip(index / "shard_00000" / name, offset)
        with pytest.raises(suffix_engine.EngineError, match=name):
            open_shards(ShardServerConfig(index=index))
        flip(index / "shard_00000" / name, offset)


@pytest.mark.parametrize("name", [*FILES, "tokenizer.json"])
def test_a_scrubber_finds_a_changed_byte_and_the_server_answers_nothing_any_more(index: Path, name: str) -> None:
    async def scene() -> None:
        metrics = Metrics()
        config = ShardServerConfig(
            index=index, listen="127.0.0.1:0", scrub_interval_s=0.05, scrub_mb_per_s=1000, drain_s=1
        )
        async with (
            serving(config, open_shards(config), metrics) as address,
            stub_of(address) as stub,
            grpc.aio.insecure_channel(address) as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)
            watched = health.Watch(health_pb2.HealthCheckRequest(service="protos.shard.v1.ShardService"))
            assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
            assert (await stub.LongestMatches(search(index))).starts
            flip(index / name)
            async with asyncio.timeout(60):
                assert (await watched.read()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            for call in (stub.LongestMatches(search(index)), stub.Describe(pb.DescribeRequest())):
                code, details = await status_of(call)
                assert code is grpc.StatusCode.DATA_LOSS
                assert f"{name}: content has sha256" in details
            watched.cancel()
        lines = generate_latest(metrics.registry).decode().splitlines()
        assert "headwater_shard_damaged_files_total 1.0" in lines
        assert 'headwater_shard_refused_total{reason="damaged_file"} 2.0' in lines

    asyncio.run(scene())


def test_sidecars_that_are_built_again_while_they_are_served_are_no_damage(index: Path) -> None:
    config = checked(index)
    listed = list(published_files(index, open_shards(config).index, [0, 1]))
    folder = index / "shard_00001"
    manifest = ShardManifest.load(folder)
    manifest.without_sidecars().save(folder)
    for name in SIDECARS:
        (folder / name).write_bytes(b"half written")
    assert [damage_of(file) for file in listed] == [None] * len(listed)
    (folder / FAN_OUT).unlink()
    assert [damage_of(file) for file in listed] == [None] * len(listed)
    manifest.save(folder)
    assert [file.path.name for file in listed if file.path.exists() and damage_of(file) is not None] == [DIRECTORY]
    with pytest.raises(FileNotFoundError):
        damage_of(next(file for file in listed if file.path == folder / FAN_OUT))
