"""Where the shards of an index are: one YAML file, and the connections to them.

::

    index: /srv/index        # the index's manifest and tokenizer; relative paths start at this file
    shards:
      - {shard: 0, address: "10.0.0.1:7001"}
      - {shard: 1, address: "10.0.0.2:7001"}
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc.aio
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from coordinator.cluster.shard_client import GrpcShard, open_channel
from coordinator.corpus import Corpus
from coordinator.errors import ConfigurationError, ShardUnavailableError
from coordinator.values import ShardDescription
from index_format.manifest import IndexManifest

_log = logging.getLogger(__name__)


class ShardPlace(BaseModel):
    """Where one shard is served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard: int = Field(ge=0, description="Number of the shard in its index.")
    address: str = Field(pattern=r"^[^\s]+:\d{1,5}$", description="Its server's `host:port`.")


class Placement(BaseModel):
    """Where the shards of one index are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: Path = Field(
        description="Directory with the index's manifest and tokenizer; shard folders need not be there."
    )
    shards: tuple[ShardPlace, ...] = Field(min_length=1, description="One entry a shard of the index.")


@dataclass(frozen=True, slots=True)
class Connections:
    """The shards of an index, and the channels to close when they are no longer needed."""

    shards: tuple[GrpcShard, ...]
    channels: tuple[grpc.aio.Channel, ...]

    async def close(self) -> None:
        """Closes every channel."""
        await asyncio.gather(*(channel.close(None) for channel in self.channels))


def load_placement(path: Path) -> Placement:
    """Returns the placement in a YAML file, its index directory made absolute.

    Raises:
        ConfigurationError: the file is unreadable, or a field is unknown, missing or wrong.
    """
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot read the placement ({error})") from error
    try:
        placement = Placement.model_validate(content)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, detail['loc'])) or 'file'}: {detail['msg']}" for detail in error.errors()
        )
        raise ConfigurationError(f"{path}: {faults}") from None
    return placement.model_copy(update={"index": (path.absolute().parent / placement.index).resolve()})


def check_placement(placement: Placement, index: IndexManifest) -> None:
    """Checks that every shard of the index has exactly one place.

    Raises:
        ConfigurationError: a shard is missing, placed twice or not of the index.
    """
    found = sorted(place.shard for place in placement.shards)
    if found != list(range(index.num_shards)):
        raise ConfigurationError(
            f"placement has shards {found}, expected each of 0 to {index.num_shards - 1} once: "
            f"index {index.index_id} has {index.num_shards}"
        )


async def connect(placement: Placement, corpus: Corpus, *, deadline_s: float, max_message_bytes: int) -> Connections:
    """Returns the shards, in order, after asking each server what it holds.

    A server that does not answer is logged and kept: it may come, and until then traces name its shards as failed.

    Raises:
        ConfigurationError: the placement does not fit the index, or a server holds another index or not its shard.
    """
    index = corpus.index
    check_placement(placement, index)
    channels = {
        address: open_channel(address, max_message_bytes)
        for address in dict.fromkeys(place.address for place in placement.shards)
    }
    shards = tuple(
        GrpcShard(corpus, place.shard, place.address, channels[place.address])
        for place in sorted(placement.shards, key=lambda place: place.shard)
    )
    connections = Connections(shards, tuple(channels.values()))
    try:
        await _check_shards(shards, index, deadline_s)
    except BaseException:
        await connections.close()
        raise
    return connections


def check_description(found: ShardDescription, index: IndexManifest, address: str) -> None:
    """Checks that a shard is one of the index that the coordinator serves.

    Raises:
        ConfigurationError: it is of another index, tokenizer, token width or format; says which.
    """
    for field in ("format_version", "tokenizer_sha256", "token_width", "index_id"):
        theirs, ours = getattr(found, field), getattr(index, field)
        if theirs != ours:
            raise ConfigurationError(
                f"{address}: shard {found.shard} has {field} {theirs}, the coordinator's index has {ours}; "
                "point both at one index"
            )


async def _check_shards(shards: Sequence[GrpcShard], index: IndexManifest, deadline_s: float) -> None:
    async def check(shard: GrpcShard) -> None:
        try:
            check_description(await shard.describe(deadline_s), index, shard.address)
        except ShardUnavailableError as error:
            _log.warning("shard not reached", extra={"shard": str(shard.shard), "reason": str(error)})

    # Gathered with every outcome kept, so that no task is left behind when one raises.
    outcomes = await asyncio.gather(*map(check, shards), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
