"""Split a protobuf message into its top-level fields, without a copy.

The encoding: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, GROUP, END_OF_GROUP, FIXED32 = range(6)  # wire types
_FIXED = {FIXED64: 8, FIXED32: 4}  # bytes
_MAX_VARINT = 10  # bytes
_MAX_NUMBER = 2**29 - 1


class MalformedMessageError(Exception):
    """These bytes are not a protobuf message."""


@dataclass(frozen=True, slots=True)
class Field:
    """`whole` is the field with its tag; `content` is the value of one of the type `BYTES`."""

    number: int
    whole: memoryview
    content: memoryview | None


def fields(message: memoryview) -> Iterator[Field]:
    """Yield the fields of `message` in order, as views of its memory. A group is yielded in parts,
    without `content`. Raises `MalformedMessageError`."""
    position, depth = 0, 0
    while position < len(message):
        start = position
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        content = None
        if kind == BYTES:
            length, position = _varint(message, position)
            content = message[position : position + length]
            position += length
        elif kind == VARINT:
            _, position = _varint(message, position)
        elif kind == GROUP:
            depth += 1
        elif kind == END_OF_GROUP:
            depth -= 1
        else:
            position += _FIXED.get(kind, len(message))
        if position > len(message) or depth < 0 or not 0 < number <= _MAX_NUMBER:
            raise MalformedMessageError
        in_group = depth > 0 or kind == END_OF_GROUP
        yield Field(number, message[start:position], None if in_group else content)
    if depth:
        raise MalformedMessageError


def extract_field(messages: Iterable[memoryview], number: int) -> tuple[bytes, list[memoryview]]:
    """The parts of a message merged, without the field `number`; and the contents of that field, as
    views of their memory. Raises `MalformedMessageError`."""
    rest: list[memoryview] = []
    contents: list[memoryview] = []
    for message in messages:
        for each in fields(message):
            if each.number == number and each.content is not None:
                contents.append(each.content)
            else:
                rest.append(each.whole)
    return b"".join(rest), contents


def field_header(number: int, length: int) -> bytes:
    """The tag and the length that precede the `length` bytes of the field `number`."""
    return _to_varint(number << 3 | BYTES) + _to_varint(length)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, and the position after it."""
    value = shift = 0
    for byte in message[position : position + _MAX_VARINT]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return value, position
        shift += 7
    raise MalformedMessageError


def _to_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:  # noqa: PLR2004
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
