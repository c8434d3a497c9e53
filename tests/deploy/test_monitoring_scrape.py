"""What running servers answer at /metrics is what rules and panels are compared with."""

import asyncio
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from coordinator.config import CoordinatorConfig
from coordinator.process import CoordinatorProcess
from tests.deploy import exported
from tests.running_servers import shard_process, unused_address, write_cluster_file
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = ("The quick brown fox jumps over the lazy dog.", "A quick brown fox walks under the bridge.")


def names_at(address: str) -> set[str]:
    """Returns the names of the metrics at an address, as a query has them."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if not family.name.endswith("_created")  # when a counter began: the library adds it
    }


def test_both_servers_answer_the_metrics_that_are_compared(tmp_path: Path) -> None:
    index = write_index(tmp_path / "index", (TEXTS,), byte_level_tokenizer(TEXTS, 300))
    metrics = unused_address()

    async def of_coordinator(shard: str) -> set[str]:
        cluster_file = write_cluster_file(tmp_path / "cluster.yaml", index, [shard])
        config = CoordinatorConfig(cluster_file=cluster_file, metrics_listen="127.0.0.1:0", log_level="error")
        process = await CoordinatorProcess.start(config)
        try:
            assert process.metrics_address is not None
            return await asyncio.to_thread(names_at, process.metrics_address)
        finally:
            await process.close()

    with shard_process(index, 0, metrics_listen=metrics) as server:
        found = names_at(metrics) | asyncio.run(of_coordinator(server.address))
    assert found == exported.families()
