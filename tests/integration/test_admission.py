"""A coordinator's process over real shard servers: what it keeps, what it counts, what operators see of it."""

import asyncio
import json
import logging
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from coordinator.config import CoordinatorConfig
from coordinator.errors import ConfigurationError, InvalidRequestError
from coordinator.process import CoordinatorProcess
from coordinator.requests import CountRequest, TraceOptions, TraceRequest
from index_format.layout import TOKENIZED, shard_folder
from tests.running_servers import NO_LONGER_MS, coordinator, shard_server, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "A slow green turtle walks under the old stone bridge.",
    "Nobody saw the quick brown fox jumps over the lazy dog, or so they say.",
)
REQUEST = TraceRequest(
    "They say the quick brown fox jumps over the lazy dog.", options=TraceOptions(max_span_density=1.0)
)


@pytest.fixture(autouse=True)
def _same_log_afterwards() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(
        tmp_path_factory.mktemp("admission") / "index", [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 300)
    )


@pytest.fixture(scope="module")
def other_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same texts in another order of shards, so that answers tell the two apart."""
    return write_index(
        tmp_path_factory.mktemp("other") / "index", [TEXTS[2:], TEXTS[:2]], byte_level_tokenizer(TEXTS, 300)
    )


async def get(address: str | None, page: str) -> tuple[int, str]:
    def fetch() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}/{page}", timeout=60) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(fetch)


async def samples(address: str | None) -> dict[tuple[str, ...], float]:
    """Returns every sample of /metrics by its name and its labels' values."""
    _, page = await get(address, "metrics")
    return {
        (sample.name.removeprefix("headwater_coordinator_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_a_process_answers_probes_and_counts_what_it_does(index: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shard_server(index, [0]) as first, shard_server(index, [1]) as second:
            cluster_file = write_cluster_file(tmp_path / "cluster.yaml", index, [first, second])
            process = await CoordinatorProcess.start(
                CoordinatorConfig(cluster_file=cluster_file, metrics_listen="127.0.0.1:0", log_level="error")
            )
            process.check()
            assert await get(process.metrics_address, "healthz") == (200, '{"alive": true}\n')
            status, ready = await get(process.metrics_address, "readyz")
            assert (status, json.loads(ready)["ready"]) == (200, True)
            for _ in range(2):
                await process.coordinator.trace(REQUEST)
            await process.coordinator.count(CountRequest("the lazy dog"))
            with pytest.raises(InvalidRequestError):
                await process.coordinator.trace(TraceRequest(" "))
            seen = await samples(process.metrics_address)
            assert seen["request_seconds_count", "OK", "Trace"] == 2
            assert seen["request_seconds_count", "INVALID_ARGUMENT", "Trace"] == 1
            assert seen["request_seconds_count", "OK", "Count"] == 1
            assert (seen["cache_total", "hit"], seen["cache_total", "miss"]) == (1, 1)
            assert seen["step_seconds_count", "search"] == 1
            assert seen["queue_seconds_count",] == 2
            for shard, address in (("0", first), ("1", second)):
                assert seen["shard_call_seconds_count", "default", "LongestMatches", shard, "OK"] == 2
                assert seen["replica_state", address, "default", shard, "usable"] == 1
            # The longest span stands in the second shard alone.
            assert seen["shard_call_seconds_count", "default", "GetWindows", "1", "OK"] == 1
            assert seen["reads_total", "table"] > 0
            assert seen["searched_share_count",] == 3
            assert any(name[:2] == ("index_info", "default") for name in seen)
            assert seen["process_open_fds",] > 0
            await process.close()
            with pytest.raises(OSError, match="refused"):
                await get(process.metrics_address, "healthz")
            await process.close()

    asyncio.run(scenario())


def test_replicas_of_one_machine_take_the_next_free_port(index: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shard_server(index) as address:
            cluster_file = write_cluster_file(tmp_path / "cluster.yaml", index, [address, address])
            config = CoordinatorConfig(cluster_file=cluster_file, metrics_listen="127.0.0.1:18464", log_level="error")
            processes = [await CoordinatorProcess.start(config) for _ in range(3)]
            try:
                addresses = {process.metrics_address for process in processes}
                assert len(addresses) == 3
                for each in addresses:
                    assert (await get(each, "readyz"))[0] == 200
            finally:
                for process in processes:
                    await process.close()

    asyncio.run(scenario())


def test_a_process_that_cannot_start_leaves_nothing_behind(
    index: Path, tmp_path: Path, leaves_nothing_behind: None
) -> None:
    config = CoordinatorConfig(cluster_file=tmp_path / "none.yaml", metrics_listen="127.0.0.1:0", log_level="error")
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        asyncio.run(CoordinatorProcess.start(config))


def test_a_kept_answer_is_the_answer_and_never_that_of_another_generation(
    index: Path, other_index: Path, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with (
            shard_server(index) as old,
            shard_server(other_index) as new,
            coordinator(tmp_path, index, [old, old], result_cache_bytes=1_000_000, reload_interval_s=0.05) as asked,
        ):
            first = await asked.trace(REQUEST)
            again = await asked.trace(REQUEST)
            assert (first.cached, again) == (False, replace(first, cached=True))
            write_cluster_file(tmp_path / "cluster.yaml", other_index, [new, new])
            async with asyncio.timeout(60):
                while (swapped := await asked.trace(REQUEST)).coverage == first.coverage:
                    assert swapped == again
                    await asyncio.sleep(0.01)
            assert not swapped.cached
            assert [document.id for document in swapped.documents] != [document.id for document in first.documents]
            assert await asked.trace(REQUEST) == replace(swapped, cached=True)

    asyncio.run(scenario())


def test_an_answer_from_before_damage_was_noticed_is_not_given_again(index: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(index, tmp_path / "copy")

    async def scenario() -> None:
        async with (
            shard_server(index) as sound,
            shard_server(copy, scrub_interval_s=0.05, scrub_mb_per_s=1000) as damaged,
            coordinator(tmp_path, index, [(sound, damaged)] * 2, result_cache_bytes=1_000_000) as asked,
        ):
            first = await asked.trace(REQUEST)
            assert (await asked.trace(REQUEST)).cached
            with (copy / shard_folder(1) / TOKENIZED).open("r+b") as file:
                [byte] = file.read(1)
                file.seek(0)
                file.write(bytes([byte ^ 1]))
            async with asyncio.timeout(60):
                while (found := await asked.trace(REQUEST)).cached:
                    assert found == replace(first, cached=True)
                    await asyncio.sleep(0.01)
            assert replace(found, timings=first.timings) == first
            assert (await asked.trace(REQUEST)).cached

    asyncio.run(scenario())


def test_an_answer_that_misses_a_shard_is_made_anew_when_the_shard_is_back(index: Path, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with shard_server(index, [0]) as first:
            async with shard_server(index, [1]) as second:
                pass  # its address is nobody's now
            async with coordinator(
                tmp_path,
                index,
                [first, second],
                result_cache_bytes=1_000_000,
                reconnect_grace_ms=0,
                connect_timeout_ms=NO_LONGER_MS,
            ) as asked:
                for _ in range(2):
                    partial = await asked.trace(REQUEST)
                    assert (partial.coverage.complete, partial.cached) == (False, False)
                async with shard_server(index, [1], listen=second), asyncio.timeout(60):
                    while not (whole := await asked.trace(REQUEST)).coverage.complete:
                        assert not whole.cached
                        await asyncio.sleep(0.01)
                    assert (await asked.trace(REQUEST)).cached

    asyncio.run(scenario())
