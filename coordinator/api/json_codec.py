"""The pipeline's values as JSON, and back. Field names and their order are those of `coordinator.results`.

A `DocumentId` is written ``"corpus:shard:number"``, a `ShardId` ``"corpus:number"``, an enum as its value, a tuple as
an array. Nothing is renamed, added or left out, so ``from_json(type(value), to_json(value)) == value``.
"""

import dataclasses
import enum
import json
import math
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from coordinator.errors import InvalidRequestError
from coordinator.values import DocumentId, ShardId

_T = TypeVar("_T")

_MAX_SHOWN_CHARS = 100
_MAX_DIGITS = 19  # any more may not fit 64 bits


def to_json(value: Any) -> Any:
    """Returns a value of `coordinator.results` as objects, arrays, strings, numbers and booleans."""
    if isinstance(value, (DocumentId, ShardId)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [to_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value!r} cannot be written as JSON")
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} is no value of the pipeline")


def dumps(value: Any, *, indent: int | None = 2) -> str:
    """Returns a value as JSON text: keys in field order, text as it is, not escaped to ASCII."""
    return json.dumps(to_json(value), indent=indent, ensure_ascii=False, allow_nan=False)


def from_json(kind: type[_T], raw: Any) -> _T:
    """Returns the value of type ``kind`` that `to_json` wrote as ``raw``.

    Raises:
        InvalidRequestError: a field is missing, unknown or of another type.
    """
    value: _T = _read(kind, raw, kind.__name__)
    return value


def parse_document_id(text: str) -> DocumentId:
    """Returns the document id written ``corpus:shard:number``.

    Raises:
        InvalidRequestError: the text is not a name and two whole numbers with colons between them.
    """
    corpus, first, rest = text.partition(":")
    shard, second, number = rest.partition(":")
    if not (corpus and first and second and _is_digits(shard) and _is_digits(number)):
        raise InvalidRequestError(
            f"document id {text[:_MAX_SHOWN_CHARS]!r}, expected 'corpus:shard:number' like 'default:0:1234'", "id"
        )
    return DocumentId(corpus, int(shard), int(number))


def parse_shard_id(text: str) -> ShardId:
    """Returns the shard id written ``corpus:number``.

    Raises:
        InvalidRequestError: the text is not a name and a whole number with a colon between them.
    """
    corpus, colon, number = text.partition(":")
    if not (corpus and colon and _is_digits(number)):
        raise InvalidRequestError(f"shard id {text[:_MAX_SHOWN_CHARS]!r}, expected 'corpus:number' like 'default:0'")
    return ShardId(corpus, int(number))


def _is_digits(text: str) -> bool:
    return len(text) <= _MAX_DIGITS and text.isascii() and text.isdecimal()


def _read(kind: Any, raw: Any, place: str) -> Any:
    if kind is DocumentId:
        return parse_document_id(_typed(str, raw, place))
    if kind is ShardId:
        return parse_shard_id(_typed(str, raw, place))
    if dataclasses.is_dataclass(kind):
        return _read_record(kind, raw, place)
    origin = typing.get_origin(kind)
    if origin is tuple:
        return _read_tuple(typing.get_args(kind), raw, place)
    if origin in (Mapping, dict):
        return dict(_typed(dict, raw, place))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(raw)
        except ValueError:
            allowed = ", ".join(repr(member.value) for member in kind)
            raise InvalidRequestError(f"{place}: {raw!r}, expected one of {allowed}") from None
    if kind is float:
        return float(_typed((int, float), raw, place))
    return _typed(kind, raw, place)


def _read_record(kind: Any, raw: Any, place: str) -> Any:
    record = _typed(dict, raw, place)
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    if unknown := sorted(record.keys() - set(names)):
        raise InvalidRequestError(f"{place}: unknown field {unknown[0]!r}")
    if missing := [name for name in names if name not in record]:
        raise InvalidRequestError(f"{place}: field {missing[0]!r} is missing")
    return kind(**{name: _read(hints[name], record[name], f"{place}.{name}") for name in names})


def _read_tuple(items: tuple[Any, ...], raw: Any, place: str) -> tuple[Any, ...]:
    array = _typed(list, raw, place)
    if len(items) == 2 and items[1] is Ellipsis:
        return tuple(_read(items[0], item, f"{place}[{index}]") for index, item in enumerate(array))
    if len(array) != len(items):
        raise InvalidRequestError(f"{place}: array of {len(array)}, expected {len(items)}")
    return tuple(_read(item, value, place) for item, value in zip(items, array, strict=True))


def _typed(kind: Any, raw: Any, place: str) -> Any:
    if not isinstance(raw, kind) or (isinstance(raw, bool) and kind is not bool):
        wanted = kind.__name__ if isinstance(kind, type) else "number"
        raise InvalidRequestError(f"{place}: {raw!r}, expected {wanted}")
    return raw
