"""Parse YAML into nodes: YAML 1.2 scalars on PyYAML's events, with limits of depth and size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from flowrun.spec.lookalikes import check_spaces
from flowrun.spec.nodes import Finding, Location, MalformedMessageError, Node, printable
from flowrun.spec.scalars import scalar
from flowrun.spec.yaml_errors import syntax_error

MAX_DEPTH = 50  # nested mappings and lists
MAX_VALUES = 10_000  # values behind an alias count every time

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its parser is used
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML 1.1, and so PyYAML, counts lines
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REQUIRED_KEYS = "a flow needs at least `source`, `transport` and `sink`"


def split_lines(text: str) -> list[str]:
    """The lines without their ends, counted as `parse_yaml` counts them; at least one."""
    return _LINE_END.split(text)


def parse_yaml(text: str) -> tuple[Node, list[Finding]]:
    """Parse the one document in `text`; also return findings that do not stop the parser (duplicate
    keys). Raises `MalformedMessageError`. Time and memory are bounded by the text's length and
    `MAX_VALUES`."""
    lines = split_lines(text)
    strange = _UNPRINTABLE.search(text)
    if strange:
        before = split_lines(text[: strange.start()])
        location = Location(0, len(before), len(before[-1]) + 1)
        raise MalformedMessageError(
            f"the character U+{ord(strange[0]):04X} is not allowed in YAML",
            location,
            "is this a text file?",
        )
    check_spaces(lines)
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        raise syntax_error(error, lines) from error
    except yaml.YAMLError as error:
        raise MalformedMessageError(f"invalid YAML: {error}") from error


class _Composer:
    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.findings: list[Finding] = []
        self.anchors: dict[str, Node | None] = {}  # None: not complete yet
        self.count = 0

    def document(self) -> tuple[Node, list[Finding]]:
        next(self.events)  # stream start
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise MalformedMessageError("the file is empty", hint=_REQUIRED_KEYS)
        root = self.node(next(self.events), 0)
        next(self.events)  # document end
        further = next(self.events)
        if not isinstance(further, yaml.StreamEndEvent):
            raise MalformedMessageError(
                "a second document starts here, but a flow file has one",
                _location(further),
                "put each flow into its own file",
            )
        if root.value is None:
            raise MalformedMessageError("the file is empty", hint=_REQUIRED_KEYS)
        return root, self.findings

    def node(self, event: Any, depth: int) -> Node:
        location = _location(event)
        self.bounded(location, depth)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), location, depth)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.check_tag(event, location)
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, location)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self.items(depth), location)
        else:
            node = Node(self.entries(depth), location)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def items(self, depth: int) -> list[Node]:
        items = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, depth + 1))
        return items

    def entries(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            location = _location(event)
            key = self.key(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            first = entries.get(key)
            if first is None:
                value.key_location = location
                entries[key] = value
            elif first.key_location:
                line = first.key_location.line
                message = f"duplicate key `{printable(key)}`"
                self.findings.append(
                    Finding(message, location, hint=f"first defined in line {line}")
                )
        return entries

    def key(self, event: Any, depth: int) -> str:
        """The text of a key as written, so that `on` and `1` are strings, too."""
        location = _location(event)
        node = self.node(event, depth)
        if not isinstance(event, yaml.ScalarEvent) or not event.value:
            raise MalformedMessageError("a key must be a string that is not empty", location)
        if event.value == "<<" and node.style == "plain":
            hint = "repeat the keys, or use an alias for a whole value"
            raise MalformedMessageError("merge keys (`<<`) are not supported", location, hint)
        return str(event.value)

    def alias(self, name: str, location: Location, depth: int) -> Node:
        if name not in self.anchors:
            raise MalformedMessageError("this alias has no anchor above", location)
        target = self.anchors[name]
        if target is None:
            raise MalformedMessageError("this alias is inside its own anchor", location)
        node = self.copy(target, location, depth)
        node.location = location
        return node

    def copy(self, node: Node, alias: Location, depth: int) -> Node:
        self.bounded(alias, depth)
        value = node.value
        if isinstance(value, dict):
            value = {key: self.copy(child, alias, depth + 1) for key, child in value.items()}
        elif isinstance(value, list):
            value = [self.copy(child, alias, depth + 1) for child in value]
        return Node(value, node.location, node.key_location, node.style)

    def bounded(self, location: Location, depth: int) -> None:
        self.count += 1
        if depth > MAX_DEPTH:
            raise MalformedMessageError(f"more than {MAX_DEPTH} levels of nesting", location)
        if self.count > MAX_VALUES:
            raise MalformedMessageError(
                f"more than {MAX_VALUES:,} values",
                location,
                "a value behind an alias counts every time",
            )

    def check_tag(self, event: Any, location: Location) -> None:
        core = {"str": yaml.ScalarEvent, "seq": yaml.SequenceStartEvent}
        core["map"] = yaml.MappingStartEvent
        tag = (event.tag or "!").removeprefix("tag:yaml.org,2002:")
        if tag != "!" and not isinstance(event, core.get(tag, ())):
            hint = "put it in quotes if the `!` belongs to the value"
            raise MalformedMessageError("tags are not supported", location, hint)


def _scalar(event: Any, location: Location) -> Node:
    if event.style or event.tag:
        return Node(event.value, location, style="quoted")
    if event.value == "":
        return Node(None, location, style="empty")
    return Node(scalar(event.value), location)


def _location(event: Any) -> Location:
    return Location(0, event.start_mark.line + 1, event.start_mark.column + 1)
