"""Where the settings of a process come from: default < YAML file < ``PREFIX_*`` environment < flags.

A process describes its settings once, as a frozen pydantic model with ``extra="forbid"`` and a description for each
field; the flags, the variables, the file and the page of documentation follow from it. A field may name its flag itself
with ``json_schema_extra={"flag": "--shard"}``. The value of a field with ``repr=False`` is never shown.
"""

import re
import types
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from runtime.errors import SettingsError
from runtime.yaml_file import YamlFileError, read_yaml, shown

Model = TypeVar("Model", bound=BaseModel)
_Command = TypeVar("_Command", bound=Callable[..., Any])

# Kubernetes puts variables for every Service into every pod; a Service named like the prefix would spoil the start.
_OF_KUBERNETES = re.compile(
    r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)


def load_settings(
    model: type[Model],
    prefix: str,
    *,
    flags: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
    config_file: Path | None = None,
) -> Model:
    """Returns the settings: each from the flags if there, else the environment, else the file, else its default.

    Args:
        model: What the settings are.
        prefix: What the names of environment variables begin with: ``HEADWATER_SHARD_``.
        flags: Settings given on the command line, by field name; those not given are absent.
        environment: Environment variables. Lists are written with commas.
            In flags and variables, ``none`` takes a setting away that may be absent.
        config_file: A YAML file of settings by field name.

    Raises:
        SettingsError: a setting is unknown, missing or out of range, or the file is unreadable.
    """
    words = {**_from_environment(model, prefix, environment or {}), **(flags or {})}
    settings = {**_from_file(config_file), **{name: _none_of(model, name, word) for name, word in words.items()}}
    try:
        return model.model_validate(settings)
    except ValidationError as error:
        raise SettingsError("; ".join(_explain(model, prefix, detail) for detail in error.errors())) from None


def with_flags(model: type[BaseModel]) -> Callable[[_Command], _Command]:
    """Returns a decorator of a click command: ``--config`` and a flag for every setting; see `given_flags`."""

    def decorate(command: _Command) -> _Command:
        for name, field in reversed(model.model_fields.items()):
            command = _option(name, field)(command)
        path = click.Path(path_type=Path)
        return click.option("--config", "config_file", type=path, help="YAML file of settings.")(command)

    return decorate


def given_flags(context: click.Context, model: type[BaseModel]) -> dict[str, Any]:
    """Returns the settings that stand on the command line of ``context``, by field name."""
    return {
        name: context.params[name]
        for name in model.model_fields
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }


def flag_of(name: str, field: FieldInfo) -> str:
    """Returns the flag of a setting: ``--max-windows`` of ``max_windows``, unless the field names its own."""
    extra = field.json_schema_extra
    own = extra.get("flag") if isinstance(extra, dict) else None
    return str(own) if own else "--" + name.replace("_", "-")


def _option(name: str, field: FieldInfo) -> Callable[[_Command], _Command]:
    flag, help_ = flag_of(name, field), _help(field)
    if _kind(field) is bool:
        return click.option(f"{flag}/--no-{flag.removeprefix('--')}", name, default=None, help=help_)
    return click.option(flag, name, multiple=_is_list(field), metavar=_metavar(field), help=help_)


def _help(field: FieldInfo) -> str:
    is_shown = not field.is_required() and field.default not in ((), None) and field.repr
    text = f"{field.description} Repeat it for more." if _is_list(field) else str(field.description)
    return f"{text}  [default: {field.default}]" if is_shown else text


def _metavar(field: FieldInfo) -> str:
    kind = _kind(field)
    if typing.get_origin(kind) is typing.Literal:
        return "|".join(str(choice) for choice in typing.get_args(kind))
    if _is_list(field):
        kind = typing.get_args(kind)[0]
    return {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(kind, "TEXT")


def _kind(field: FieldInfo) -> Any:
    """Returns the type of a setting, without the ``None`` of one that may be absent."""
    kind = field.annotation
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        kinds = [part for part in typing.get_args(kind) if part is not types.NoneType]
        return kinds[0] if len(kinds) == 1 else kind
    return kind


def _is_list(field: FieldInfo) -> bool:
    return typing.get_origin(_kind(field)) in (tuple, list, set, frozenset)


def _none_of(model: type[BaseModel], name: str, value: Any) -> Any:
    """Returns None for the word ``none`` where that is a value of the setting."""
    field = model.model_fields.get(name)
    if value != "none" or field is None:
        return value
    return None if types.NoneType in typing.get_args(field.annotation) else value


def _from_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        content = read_yaml(path)
    except YamlFileError as error:
        raise SettingsError(f"{path}: cannot read the configuration ({error})") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: expected settings by name, found {type(content).__name__}")
    return {str(name): value for name, value in content.items()}


def _from_environment(model: type[BaseModel], prefix: str, environment: Mapping[str, str]) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for variable, value in environment.items():
        if not variable.startswith(prefix):
            continue
        name = variable.removeprefix(prefix).lower()
        field = model.model_fields.get(name)
        if field is None and _OF_KUBERNETES.fullmatch(variable.removeprefix(prefix)):
            continue
        is_list = field is not None and _is_list(field)
        settings[name] = [part.strip() for part in value.split(",") if part.strip()] if is_list else value
    return settings


def _explain(model: type[BaseModel], prefix: str, detail: Any) -> str:
    path = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"setting {path!r} is unknown, expected one of {', '.join(model.model_fields)}"
    top = str(detail["loc"][0]) if detail["loc"] else ""
    field = model.model_fields.get(top)
    if detail["type"] == "missing" and field is not None and path == top:
        return f"setting {path!r} is missing; give {flag_of(top, field)} or {prefix}{top.upper()}"
    if not path:
        return f"settings do not go together: {detail['msg']}"
    if field is not None and not field.repr:
        return f"setting {path!r} is wrong: {detail['type']}"
    return f"setting {path!r} is {shown(detail['input'])}: {detail['msg']}"
