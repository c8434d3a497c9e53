"""A file of a served index becomes shorter: an error of the calls that need it; a last word if one loses a page."""

import asyncio
import os
import signal
from pathlib import Path

import grpc
import pytest

from tests.integration.shard_calls import search, status_of, write_two_shards
from tests.integration.test_shard_server_process import process
from tests.running_servers import stub_of


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return write_two_shards(tmp_path / "index")


def test_a_shard_whose_file_became_shorter_answers_data_loss_and_the_other_goes_on(index: Path) -> None:
    table = index / "shard_00000" / "table.0"

    async def run(address: str) -> None:
        async with stub_of(address) as stub:
            request = search(index)
            assert (await stub.LongestMatches(request)).starts
            os.truncate(table, table.stat().st_size - 1)
            code, details = await status_of(stub.LongestMatches(request))
            assert code == grpc.StatusCode.DATA_LOSS
            assert "it had" in details
            request.shard = 1
            await stub.LongestMatches(request)

    with process(index) as (_, address):
        asyncio.run(run(address))


def test_a_lost_page_ends_the_server_with_a_message(index: Path) -> None:
    with process(index) as (server, _):
        server.send_signal(signal.SIGBUS)
        _, log = server.communicate(timeout=60)
    assert server.returncode == 135
    assert log.endswith("check the index with 'headwater index verify'\n")
