"""YAML values with their locations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Path = tuple[str | int, ...]
Scalar = bool | int | float | str | None

_MAX_PRINTED = 60


OVERRIDES = 1_000_000  # as the text of a location: the overrides of the command line


class Location(NamedTuple):
    """`line` and `column`, from 1, in text number `text`: 0 is the flow's file, 1, … are the files
    that it extends. For a `--set`, `line` is the number of the override and `column` that in it.
    Locations sort in the order of the file, with overrides after it."""

    text: int
    line: int
    column: int

    @property
    def override(self) -> bool:
        return self.text == OVERRIDES


START = Location(0, 1, 1)


class UsedVariable(NamedTuple):
    """A variable in a text: `found` in the environment, or else replaced by its default."""

    name: str
    found: bool


@dataclass(slots=True)
class Node:
    """A value of the file. `value` has nodes if it is a mapping or a list; `key_location` is the
    location of its key.

    `style` distinguishes plain scalars, quoted scalars, and none at all (only `key:`). `untyped`
    marks text from an interpolation or an override, which may still be converted to a number, a
    boolean or null. `variables` are those of the interpolation.
    """

    value: dict[str, Node] | list[Node] | Scalar
    location: Location
    key_location: Location | None = None
    style: Literal["plain", "quoted", "empty"] = "plain"
    untyped: bool = False
    variables: tuple[UsedVariable, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem at a location, without the path and the text of the file (see `Problem`)."""

    message: str
    location: Location
    key: str = ""
    hint: str = ""


class MalformedMessageError(Exception):
    """The text cannot be parsed any further; this finding is the only one."""

    def __init__(self, message: str, location: Location = START, hint: str = "") -> None:
        super().__init__(message)
        self.finding = Finding(message, location, hint=hint)


def plain_value(node: Node) -> Any:
    """The value without locations: dicts, lists and scalars."""
    if isinstance(node.value, dict):
        return {key: plain_value(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain_value(child) for child in node.value]
    return node.value


def find(root: Node, path: Sequence[str | int]) -> Node:
    """The node at `path`, or the last one on the way that exists."""
    node = root
    for step in path:
        if isinstance(node.value, dict) and step in node.value:
            node = node.value[str(step)]
        elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
        else:
            break
    return node


def leaves(node: Node, path: Path = ()) -> Iterator[tuple[Path, Node]]:
    """Every scalar with its path, in the order of the file."""
    if isinstance(node.value, dict):
        for key, child in node.value.items():
            yield from leaves(child, (*path, key))
    elif isinstance(node.value, list):
        for index, child in enumerate(node.value):
            yield from leaves(child, (*path, index))
    else:
        yield path, node


def dotted(path: Sequence[str | int]) -> str:
    """`preprocess[0].hook` for `("preprocess", 0, "hook")`."""
    text = ""
    for step in path:
        text += (
            f"[{step}]"
            if isinstance(step, int)
            else f".{printable(step)}"
            if text
            else printable(step)
        )
    return text


def printable(text: str) -> str:
    """The user's text for a message: on one line, escaped and shortened."""
    cut = text if len(text) <= _MAX_PRINTED else f"{text[:_MAX_PRINTED]}…"
    return cut if cut.isprintable() else repr(cut)[1:-1]
