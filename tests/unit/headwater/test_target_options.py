"""Where a command looks, as its flags say."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from headwater.target_options import Target, target_options, to_target


def parsed(*arguments: str) -> Target:
    found: list[Target] = []

    @click.command()
    @target_options
    def command(**flags: Any) -> None:
        found.append(to_target(flags))
        assert flags == {}

    result = CliRunner().invoke(command, arguments, standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return found[0]


def test_directory_alone_is_the_default_corpus() -> None:
    assert parsed("--index", "indexes/one") == Target({"default": Path("indexes/one")}, None, (), False)


def test_directories_are_corpora_by_name_in_their_order() -> None:
    target = parsed("--index", "pre=a/b", "--index", "post-2_x=c=d")
    assert list(target.directories.items()) == [("pre", Path("a/b")), ("post-2_x", Path("c=d"))]


@pytest.mark.parametrize("directory", ["./a=b", "A=b", "a.b=c", "x" * 64 + "=b", "=b", "a="])
def test_equals_sign_after_what_is_no_name_belongs_to_the_directory(directory: str) -> None:
    assert parsed("--index", directory).directories == {"default": Path(directory)}


def test_coordinator_corpora_and_completeness_are_passed_on() -> None:
    target = parsed("--connect", "h:1", "--corpus", "pre", "--corpus", "post", "--require-complete")
    assert target == Target({}, "h:1", ("pre", "post"), True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index", "a", "--index", "b"], "two directories of the corpus 'default'; name each"),
        (["--index", "pre=a", "--index", "pre=b"], "two directories of the corpus 'pre'"),
        ([], "Give either --index DIR or --connect HOST:PORT."),
        (["--index", "a", "--connect", "h:1"], "Give --index DIR or --connect HOST:PORT, not both."),
        (["--connect", "h"], "--connect: .*expected host:port"),
        (["--connect", ""], "--connect: .*expected host:port"),
    ],
)
def test_target_that_cannot_be_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        parsed(*arguments)


def test_takedowns_go_with_directories_only() -> None:
    assert parsed("--index", "a", "--takedowns", "file.json").takedowns == Path("file.json")
    with pytest.raises(click.UsageError, match="a coordinator obeys its own takedown_file"):
        parsed("--connect", "127.0.0.1:9000", "--takedowns", "file.json")
