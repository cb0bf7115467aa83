"""Split protobuf messages into their fields, without a copy of large contents.

The encoding: https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

VARINT, FIXED64, BYTES, GROUP, END_OF_GROUP, FIXED32 = range(6)  # wire types
MAX_FIELDS = 20_000  # of a message and of those in it: some ten milliseconds
_FIXED = {FIXED64: 8, FIXED32: 4}  # bytes
_MAX_VARINT = 10  # bytes
_MAX_NUMBER = 2**29 - 1
_UINT64 = 2**64 - 1

# The texts (`None`) and the messages (with theirs) among the fields of a message, by their numbers.
Known = Mapping[int, Any]
PARAMETERS: Known = {2: {}}  # an entry of the map of parameters
TENSOR: Known = {4: PARAMETERS, 5: {}}  # InferInputTensor, InferOutputTensor: the contents are 5
# ModelInferRequest and ModelInferResponse, without raw contents.
REQUEST: Known = {1: None, 2: None, 3: None, 4: PARAMETERS, 5: TENSOR, 6: TENSOR}
RESPONSE: Known = {1: None, 2: None, 3: None, 4: PARAMETERS, 5: TENSOR}


class MalformedMessageError(Exception):
    """These bytes are not a protobuf message."""


class TooManyFieldsError(MalformedMessageError):
    """The message has more than `MAX_FIELDS` fields."""


@dataclass(frozen=True, slots=True)
class Field:
    """`whole` is the field with its `tag`; `content` the value of one of the type `BYTES`."""

    number: int
    tag: memoryview
    whole: memoryview
    content: memoryview | None


@dataclass(slots=True)
class Splitter:
    """Splits one message. Raises `TooManyFieldsError` as soon as more than `MAX_FIELDS` fields were
    found in it, so that a hostile message costs little time and memory."""

    found: int = 0
    numbers: set[int] = field(default_factory=set)  # of the fields that `reduce_nested` has split

    def reduce(
        self, message: memoryview, known: Known, raw: int | None
    ) -> tuple[list[memoryview | bytes], list[memoryview]]:
        """The pieces of a message that says the same without large contents, and the contents of
        the fields `raw`, as views of its memory.

        Fields of type `BYTES` that are not in `known` are unknown or `raw`: their content becomes
        empty. All else is the same byte for byte, so whoever parses the pieces finds every other
        error. Raises `MalformedMessageError`.
        """
        pieces: list[memoryview | bytes] = []
        contents: list[memoryview] = []
        for each in self.fields(message):
            if each.content is None:
                pieces.append(each.whole)
                continue
            if each.number == raw:
                contents.append(each.content)
            if each.number not in known:
                pieces += (each.tag, b"\0")
                continue
            self.count(each.content, known[each.number])
            pieces.append(each.whole)
        return pieces, contents

    def reduce_nested(
        self, message: memoryview, known: Known, number: int, inner: Known, raw: int
    ) -> tuple[list[memoryview | bytes], list[memoryview]]:
        """`reduce` for a message in which those with the field `raw` are in the field `number`, any
        number of times; `inner` are the known fields of these."""
        pieces: list[memoryview | bytes] = []
        contents: list[memoryview] = []
        for each in self.fields(message):
            if each.content is None:
                pieces.append(each.whole)
                continue
            self.numbers.add(each.number)
            if each.number == number:
                parts, found = self.reduce(each.content, inner, raw)
                pieces += (each.tag, _to_varint(sum(map(len, parts))), *parts)
                contents += found
            else:
                pieces += (each.whole,) if each.number in known else (each.tag, b"\0")
        return pieces, contents

    def count(self, message: memoryview, known: Known | None) -> None:
        """Count the fields of a nested message; `None`: it is a text."""
        if known is not None:
            for each in self.fields(message):
                if each.content is not None and each.number in known:
                    self.count(each.content, known[each.number])

    def fields(self, message: memoryview) -> Iterator[Field]:
        """Yield the fields of `message` in order, as views of its memory. A group is yielded in
        parts, without `content`. Raises `MalformedMessageError`."""
        position, depth = 0, 0
        while position < len(message):
            self.found += 1
            if self.found > MAX_FIELDS:
                raise TooManyFieldsError
            start = position
            tag, position = _varint(message, position)
            number, kind = tag >> 3, tag & 7
            end_of_tag = position
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
            whole = message[start:position]
            yield Field(number, message[start:end_of_tag], whole, None if in_group else content)
        if depth:
            raise MalformedMessageError


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
            return value & _UINT64, position
        shift += 7
    raise MalformedMessageError


def _to_varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:  # noqa: PLR2004
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
