"""Changes that keep the form: a field of a message, a value in JSON. What is wrong then is the content alone."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

Structured = Callable[[Random, bytes], bytes]

_NUMBERS = (0, 1, 2, 3, 7, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**53, 2**63 - 1, 2**63, 2**64 - 1)
_TEXTS = ("", " ", "x", "\0", "a" * 5000, "İ", "\U0001f600" * 99, "default", "../..", "-1", "0", "٣")
_VALUES: tuple[Any, ...] = (*_NUMBERS, *_TEXTS, None, True, False, -1, 1.5, -0.0, 1e308, [], {}, [[]], {"a": {}})
_FLOATS = (0.0, -0.0, 1e-308, 0.5, 1.0, 1.0000001, -1.0, 1e308, float("inf"), float("-inf"), float("nan"))
_WIDTHS = (4, 8)


def changed_messages(kinds: Sequence[type[Message]]) -> Structured:
    """Returns what changes a field or a few of a message; the first byte of an input is the number of its kind."""

    def change(random: Random, content: bytes) -> bytes:
        message = kinds[content[0] % len(kinds)]()
        try:
            message.ParseFromString(content[1:])
            for _ in range(random.choice((1, 1, 2, 3))):
                _change_message(random, message)
        except (DecodeError, ValueError, TypeError):
            return content
        return content[:1] + message.SerializeToString()

    return change


def changed_json(prefix_of: Callable[[bytes], int] = lambda _: 0) -> Structured:
    """Returns what changes a value or a few of a JSON text, after as many bytes as ``prefix_of`` says."""

    def change(random: Random, content: bytes) -> bytes:
        start = prefix_of(content)
        try:
            holder = [json.loads(content[start:])]
        except ValueError:
            return content
        for _ in range(random.choice((1, 1, 2, 3))):
            _change_value(random, holder)
        return content[:start] + json.dumps(holder[0] if holder else None).encode()

    return change


def _change_message(random: Random, message: Any) -> None:
    if not message.DESCRIPTOR.fields:
        return
    field = random.choice(message.DESCRIPTOR.fields)
    if random.random() < 0.05:
        message.ClearField(field.name)
    elif field.is_repeated:
        _change_repeated(random, getattr(message, field.name), field)
    elif field.type == FieldDescriptor.TYPE_MESSAGE:
        _change_message(random, getattr(message, field.name))
    else:
        setattr(message, field.name, _scalar(random, field, getattr(message, field.name)))


def _change_repeated(random: Random, values: Any, field: Any) -> None:
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        if values and random.random() < 0.7:
            _change_message(random, random.choice(values))
        else:
            values.add()
    elif values and random.random() < 0.5:
        values[random.randrange(len(values))] = _scalar(random, field, values[0])
    else:
        values.extend([_scalar(random, field, "")] * random.choice((1, 1, 2, 2000)))


def _scalar(random: Random, field: Any, found: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _changed_array(random, bytes(found or b""))
    if field.type == FieldDescriptor.TYPE_STRING:
        return random.choice((*_TEXTS, f"{found}{random.choice(_TEXTS)}"))
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return random.choice(_FLOATS)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return not found
    if field.type == FieldDescriptor.TYPE_ENUM:
        return random.randrange(5)
    most = 2**64 if field.type == FieldDescriptor.TYPE_UINT64 else 2**32
    if field.type in (FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64):
        most //= 2
    return random.choice(_NUMBERS) % most if random.random() < 0.5 else random.randrange(64)


def _changed_array(random: Random, content: bytes) -> bytes:
    """Returns an array of numbers with another length, or another number in it."""
    width = random.choice(_WIDTHS)
    numbers = [content[start : start + width] for start in range(0, len(content), width)]
    number = random.choice((random.choice(_NUMBERS), random.randrange(300))) % 256**width
    one = number.to_bytes(width, "little")
    choice = random.random()
    if not numbers or choice < 0.2:
        numbers.insert(random.randrange(len(numbers) + 1), one)
    elif choice < 0.6:
        numbers[random.randrange(len(numbers))] = one
    elif choice < 0.7:
        del numbers[random.randrange(len(numbers))]
    elif choice < 0.8:
        random.shuffle(numbers)
    elif choice < 0.9:
        numbers *= random.choice((2, 100))
    else:
        numbers[-1] = numbers[-1][:-1]
    return b"".join(numbers)


def _change_value(random: Random, holder: Any) -> None:
    """Changes something inside a list or an object, at any depth."""
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return
        key = random.choice(keys)
        inside = holder[key]
        if not isinstance(inside, (dict, list)) or not inside or random.random() < 0.2:
            break
        holder = inside
    choice = random.random()
    if choice < 0.7:
        holder[key] = deepcopy(random.choice(_VALUES))
    elif choice < 0.85:
        del holder[key]
    elif isinstance(holder, dict):
        holder[random.choice(_TEXTS)] = deepcopy(random.choice(_VALUES))
    else:
        holder.extend([inside] * random.choice((1, 100)))
