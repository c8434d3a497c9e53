"""What the protos say of each field, for other descriptions of the same values."""

import re
from importlib import resources

_MESSAGE = re.compile(r"^message (\w+) \{$")
_FIELD = re.compile(r"^\s*(?:repeated |optional )?[\w.]+ (\w+) = \d+;$")
_COMMENT = re.compile(r"^\s*// ?(.*)$")


def field_comments() -> dict[str, dict[str, str]]:
    """Returns the comment of every field of protos/coordinator/v1, by message and field.

    A comment that stands over several fields in a row is that of each of them. There are none where the source of the
    protos is not installed.
    """
    file = resources.files("protos.coordinator.v1").joinpath("coordinator.proto")
    source = file.read_text(encoding="utf-8") if file.is_file() else ""
    comments: dict[str, dict[str, str]] = {}
    message, comment, is_open = "", "", False
    for line in source.splitlines():
        if found := _MESSAGE.match(line):
            message, comment, is_open = found[1], "", False
            comments[message] = {}
        elif said := _COMMENT.match(line):
            comment, is_open = (f"{comment} {said[1]}" if is_open else said[1]), True
        elif field := _FIELD.match(line):
            comments[message][field[1]] = comment
            is_open = False
        else:
            comment, is_open = "", False
    return comments
