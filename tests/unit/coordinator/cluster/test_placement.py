"""The placement file: what it says, and what is refused before any connection is made."""

import dataclasses
from pathlib import Path

import pytest

from coordinator.cluster.placement import Placement, ShardPlace, check_description, check_placement, load_placement
from coordinator.errors import ConfigurationError
from coordinator.values import ShardDescription, ShardId
from index_format.manifest import IndexManifest

INDEX = IndexManifest(1, "id", 2, 2, 100, 10, "tokenizer.json", "f" * 64, 300, "", "", "")
SHARD = ShardDescription(ShardId("default", 0), "id", 1, 2, "f" * 64, 50, 5)


def write(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_a_relative_index_starts_at_the_folder_of_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "p.yaml", "index: ../i\nshards:\n  - {shard: 0, address: 'h:1'}\n")
    assert load_placement(path).index == (tmp_path / "../i").resolve()


def test_an_absolute_index_stays(tmp_path: Path) -> None:
    path = write(tmp_path / "p.yaml", "index: /srv/i\nshards:\n  - {shard: 0, address: 'h:1'}\n")
    assert load_placement(path).index == Path("/srv/i")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot read the placement"),
        ("", "file: Input should be"),
        ("index: /i\nshards: []\n", "shards: "),
        ("index: /i\nshards: [{shard: 0, address: 'h:1'}]\ncolour: blue\n", "colour: Extra inputs"),
        ("index: /i\nshards: [{shard: 0, address: 'h:1', weight: 2}]\n", r"shards\.0\.weight: Extra inputs"),
        ("index: /i\nshards: [{shard: 0, address: 'h'}]\n", r"shards\.0\.address: String should match"),
        ("index: /i\nshards: [{shard: -1, address: 'h:1'}]\n", r"shards\.0\.shard: "),
        ("shards: [{shard: 0, address: 'h:1'}]\n", "index: Field required"),
    ],
)
def test_a_wrong_file_is_named_with_its_fault(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"p\.yaml: .*{message}"):
        load_placement(write(tmp_path / "p.yaml", content))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml: cannot read the placement"):
        load_placement(tmp_path / "none.yaml")


@pytest.mark.parametrize("numbers", [(0,), (0, 0), (0, 1, 2), (1, 2)])
def test_every_shard_has_exactly_one_place(numbers: tuple[int, ...]) -> None:
    places = tuple(ShardPlace(shard=number, address="h:1") for number in numbers)
    with pytest.raises(ConfigurationError, match="expected each of 0 to 1 once"):
        check_placement(Placement(index=Path("/i"), shards=places), INDEX)


def test_the_order_of_the_places_is_free() -> None:
    places = tuple(ShardPlace(shard=number, address="h:1") for number in (1, 0))
    check_placement(Placement(index=Path("/i"), shards=places), INDEX)


@pytest.mark.parametrize(
    ("field", "value"),
    [("index_id", "other"), ("format_version", 2), ("token_width", 4), ("tokenizer_sha256", "e" * 64)],
)
def test_a_shard_that_is_not_of_the_index_is_refused_by_name(field: str, value: object) -> None:
    check_description(SHARD, INDEX, "h:1")
    other = dataclasses.replace(SHARD, **{field: value})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=f"h:1: shard 0 has {field} {value}, the coordinator's index has"):
        check_description(other, INDEX, "h:1")
