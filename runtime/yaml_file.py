"""Reads files of YAML that people write: settings, and where things are."""

import reprlib
from pathlib import Path
from typing import Any

import yaml


class YamlFileError(Exception):
    """A file cannot be read, or is no YAML; the message says why."""


def read_yaml(path: Path) -> Any:
    """Returns the content of a YAML file: plain values, no objects of Python.

    Raises:
        YamlFileError: the file cannot be read, is not UTF-8, or is not YAML.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise YamlFileError(str(error)) from error


def parse_yaml(text: str) -> Any:
    """Returns the content of a YAML text.

    Raises:
        YamlFileError: it is not YAML, or nested too deeply.
    """
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise YamlFileError(str(error)) from error
    except Exception as error:  # PyYAML raises whatever Python does for a bad number, date or tag, or deep nesting
        raise YamlFileError(
            f"{type(error).__name__}: a value is not what its tag says, or nested too deeply"
        ) from error


def shown(value: object) -> str:
    """Returns a value as a message shows it: short, whatever an alias of YAML makes it hold."""
    return _shown.repr(value)


_shown = reprlib.Repr()
_shown.maxlevel = 3
_shown.maxstring = _shown.maxother = 200
