"""``python -m tests.integration.coordinator_process CLUSTER_FILE``: a coordinator with the default limits, without Ray.

It prints its address, and ends when its standard input does.
"""

import asyncio
import sys
from pathlib import Path

from coordinator.config import CoordinatorConfig
from coordinator.service import Coordinator
from tests.served_coordinator import serving


async def main(cluster_file: Path) -> None:
    opened = await Coordinator.open(CoordinatorConfig(cluster_file=cluster_file, result_cache_bytes=0))
    try:
        async with serving(opened) as address:
            print(address, flush=True)
            await asyncio.to_thread(sys.stdin.read)
    finally:
        await opened.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
