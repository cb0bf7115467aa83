"""The outermost fields of a protobuf message: where each lies, without a copy.

The encoding is that of https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

VARINT, FIXED64, BYTES, GROUP, END_OF_GROUP, FIXED32 = range(6)  # wire types
_FIXED = {FIXED64: 8, FIXED32: 4}  # bytes
_LONGEST_VARINT = 10  # bytes
_LARGEST_NUMBER = 2**29 - 1


class UnreadableError(Exception):
    """What is no message."""


@dataclass(frozen=True, slots=True)
class Field:
    """`whole` is the field with its tag; `content` is what one of the type `BYTES` holds."""

    number: int
    whole: memoryview
    content: memoryview | None


def fields(message: memoryview) -> Iterator[Field]:
    """The fields of `message` in their order, as views of its memory. A group comes piece by piece,
    without `content`. Raises `UnreadableError`."""
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
        if position > len(message) or depth < 0 or not 0 < number <= _LARGEST_NUMBER:
            raise UnreadableError
        inside = depth > 0 or kind == END_OF_GROUP
        yield Field(number, message[start:position], None if inside else content)
    if depth:
        raise UnreadableError


def apart(messages: Iterable[memoryview], number: int) -> tuple[bytes, list[memoryview]]:
    """The parts of a message merged, but for its fields `number`; and the contents of these, as
    views of their memory. Raises `UnreadableError`."""
    rest: list[memoryview] = []
    contents: list[memoryview] = []
    for message in messages:
        for each in fields(message):
            if each.number == number and each.content is not None:
                contents.append(each.content)
            else:
                rest.append(each.whole)
    return b"".join(rest), contents


def head(number: int, length: int) -> bytes:
    """What stands in front of `length` bytes to make them the field `number`."""
    return _to_varint(number << 3 | BYTES) + _to_varint(length)


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, and the position behind it."""
    value = shift = 0
    for byte in message[position : position + _LONGEST_VARINT]:
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return value, position
        shift += 7
    raise UnreadableError


def _to_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:  # noqa: PLR2004
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
