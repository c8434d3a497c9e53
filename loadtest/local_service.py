"""A cluster on this machine to put under load: shard servers and a coordinator on Ray, for as long as the test runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from coordinator.errors import CoordinatorError
from coordinator.local.child_processes import adopt_orphans, end_descendants
from headwater.demo_index import prepare_index
from headwater.demo_steps import Steps
from headwater.local_cluster import LocalCluster
from index_format.errors import IndexFormatError
from indexing import IndexingError
from loadtest.access import Access, Protocol
from loadtest.errors import LoadTestError

KEPT = Path(".loadtest")
"""Where the index of a test without one of the caller's is kept, below the present directory."""


@contextmanager
def local_service(index: Path | None, protocol: Protocol, console: Console) -> Iterator[Access]:
    """Serves an index while the ``with`` block runs, and gives the way to it.

    Without an index it is that of the demo: this Python's own documentation and sources, built once. Nothing is left
    running, whatever happens.

    Raises:
        LoadTestError: the index cannot be built or served.
    """
    steps = Steps(console, total=3 if index is None else 1)  # collecting, indexing, serving
    adopt_orphans()
    try:
        cluster = LocalCluster(index or prepare_index(KEPT, steps, rebuild=False), on_progress=steps.say)
    except (IndexFormatError, IndexingError) as error:
        raise LoadTestError(str(error)) from error
    try:
        with steps.step("Serve") as step:
            try:
                cluster.start()
            except CoordinatorError as error:
                raise LoadTestError(str(error)) from error
            step.summary = f"{len(cluster.shard_addresses)} shards and a coordinator on Ray at {cluster.grpc_target}"
        yield Access(cluster.grpc_target if protocol == "grpc" else cluster.http_url.removeprefix("http://"), protocol)
    finally:
        cluster.stop()
        end_descendants(0)
