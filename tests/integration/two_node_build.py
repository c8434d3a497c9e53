"""``python two_node_build.py SOURCE OUTPUT``: builds an index on a Ray cluster of two nodes on this machine.

Prints, as JSON, on which nodes tasks have run. A process of its own, as Ray is told of a cluster when it is imported.
"""

import json
import sys
import time
from pathlib import Path

import ray
from ray.cluster_utils import Cluster

import indexing
from indexing.plan import BuildPlan, RawBytes


def main(source: Path, output: Path) -> None:
    """Builds with one core a node."""
    cluster = Cluster()
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1, memory=1 << 30, object_store_memory=100 << 20, include_dashboard=False)
        ray.init(address=cluster.address, log_to_driver=False)

        @ray.remote(num_cpus=1, scheduling_strategy="SPREAD")
        def node() -> str:
            time.sleep(1)  # as long as the worker of the other node takes to start: the first would do them all
            return ray.get_runtime_context().get_node_id()

        nodes = sorted(set(ray.get([node.remote() for _ in range(8)])))
        plan = BuildPlan(
            sources=(source,),
            output=output,
            tokenizer=RawBytes(),
            shards=2,
            parts=3,
            memory_bytes=512 << 20,
            ray_address=cluster.address,
        )
        manifest = indexing.build(plan)
        print(json.dumps({"nodes": nodes, "index_id": manifest.index_id}))
    finally:
        ray.shutdown()
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
