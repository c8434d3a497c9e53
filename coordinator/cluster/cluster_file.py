"""The cluster file: which corpora are served, and where each replica of each of their shards is.

::

    corpora:
      - name: pretraining             # part of document ids: pretraining:0:1234
        display_name: Pre-training    # default: the name
        stage: pre-training           # default: what the index says
        index: /srv/indexes/pre       # manifest and tokenizer; relative paths start at this file
        shards:
          - {shard: 0, replicas: ["10.0.0.1:7001", "10.0.1.1:7001"]}
          - {shard: 1, replicas: ["10.0.0.2:7001", "10.0.1.2:7001"]}
"""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from coordinator.corpus import NAME_PATTERN
from coordinator.errors import ConfigurationError
from index_format.manifest import IndexManifest
from runtime.address import join_address, split_address
from runtime.yaml_file import YamlFileError, read_yaml, shown


def _server_address(address: str) -> str:
    """Returns the address in the one form that is compared: host in lower case, port without leading zeros."""
    host, port = split_address(address)
    if port == 0:
        raise ValueError(f"{address!r} has port 0; give the port at which the shard server listens")
    if host != host.strip() or any(character.isspace() for character in host) or "/" in host:
        raise ValueError(f"{address!r} is not host:port")
    return join_address(host.lower(), port)


class ShardPlaces(BaseModel):
    """Where one shard is served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard: int = Field(ge=0, description="Number of the shard in its index.")
    replicas: tuple[Annotated[str, AfterValidator(_server_address)], ...] = Field(
        min_length=1, description="`host:port` of each server that holds the shard."
    )

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if twice := _repeated(self.replicas):
            raise ValueError(f"shard {self.shard} has the replica {twice} twice; a server counts once")
        return self


class CorpusPlaces(BaseModel):
    """One index under the name by which it is served."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{NAME_PATTERN}$", description="Identifies the corpus in requests and document ids.")
    display_name: str = Field(default="", max_length=200, description="What a page shows; empty = the name.")
    stage: str | None = Field(
        default=None, max_length=200, description="Stage of training that used it; absent = what the index says."
    )
    index: Path = Field(
        description="Directory with the index's manifest and tokenizer; shard folders need not be there."
    )
    shards: tuple[ShardPlaces, ...] = Field(min_length=1, description="One entry a shard of the index.")


class ClusterFile(BaseModel):
    """What one coordinator serves."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    corpora: tuple[CorpusPlaces, ...] = Field(
        min_length=1, description="The corpora, in the order in which they are shown; all of one tokenizer."
    )

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if twice := _repeated([corpus.name for corpus in self.corpora]):
            raise ValueError(f"two corpora are named {twice}; a name may stand only once")
        return self


def load_cluster_file(path: Path) -> ClusterFile:
    """Returns the content of a cluster file, its index directories made absolute.

    Raises:
        ConfigurationError: the file is unreadable, or a field is unknown, missing or wrong.
    """
    try:
        content: Any = read_yaml(path)
    except YamlFileError as error:
        raise ConfigurationError(f"{path}: cannot read the cluster file ({error})") from error
    if isinstance(content, dict) and "corpora" not in content and "index" in content:
        raise ConfigurationError(
            f"{path}: found 'index' at the top, expected 'corpora', a list of entries with name, index and shards: "
            "corpora: [{name: default, index: DIR, shards: [{shard: 0, replicas: ['host:port']}]}]"
        )
    try:
        cluster = ClusterFile.model_validate(content)
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {'; '.join(map(_explain, error.errors()))}") from None
    folder = path.absolute().parent
    try:
        corpora = tuple(
            corpus.model_copy(update={"index": (folder / corpus.index).resolve()}) for corpus in cluster.corpora
        )
    except (ValueError, OSError, RuntimeError) as error:  # no name of a file, or links in a circle
        raise ConfigurationError(f"{path}: the index of a corpus is at no path ({error})") from error
    return cluster.model_copy(update={"corpora": corpora})


def check_places(corpus: CorpusPlaces, index: IndexManifest) -> None:
    """Checks that every shard of the index stands in the file once.

    Raises:
        ConfigurationError: a shard is missing, stands there twice or is not of the index.
    """
    found = sorted(places.shard for places in corpus.shards)
    if found != list(range(index.num_shards)):
        raise ConfigurationError(
            f"corpus {corpus.name} has shards {found}, expected each of 0 to {index.num_shards - 1} once: "
            f"index {index.index_id} has {index.num_shards}"
        )


def _repeated(names: tuple[str, ...] | list[str]) -> str | None:
    return next((name for place, name in enumerate(names) if name in names[:place]), None)


def _explain(detail: Any) -> str:
    where = ".".join(map(str, detail["loc"])) or "file"
    if detail["type"] == "extra_forbidden":
        advice = "; a shard names its servers as replicas: ['host:port']" if detail["loc"][-1] == "address" else ""
        return f"{where}: unknown field{advice}"
    if detail["type"] in ("string_pattern_mismatch", "value_error", "greater_than_equal"):
        return f"{where}: {detail['msg'].removeprefix('Value error, ')}, found {shown(detail['input']):.100}"
    return f"{where}: {detail['msg']}"
