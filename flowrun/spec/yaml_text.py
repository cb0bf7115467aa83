"""From text to nodes: YAML 1.2 scalars on PyYAML's events, within bounds of depth and number."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from flowrun.spec.nodes import Finding, Node, Place, UnreadableError, shown
from flowrun.spec.scalars import scalar
from flowrun.spec.syntax import syntax_error

DEEPEST = 50  # mappings and lists within each other
MOST = 10_000  # values, those behind aliases counted every time

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # only its parser is used
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML 1.1, and so PyYAML, counts lines
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NO_MORE = "a flow needs at least `source`, `transport` and `sink`"


def split_lines(text: str) -> list[str]:
    """The lines without their ends, counted as `read_yaml` counts them; at least one."""
    return _LINE_END.split(text)


def read_yaml(text: str) -> tuple[Node, list[Finding]]:
    """The one document in `text` and what can be said about it without ending the reading
    (duplicate keys). Raises `UnreadableError`. Time and memory are bounded by the text's length
    and `MOST`."""
    lines = split_lines(text)
    strange = _UNPRINTABLE.search(text)
    if strange:
        before = split_lines(text[: strange.start()])
        place = Place(False, len(before), len(before[-1]) + 1)
        raise UnreadableError(
            f"the character U+{ord(strange[0]):04X} is not allowed in YAML",
            place,
            "is this a text file?",
        )
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        raise syntax_error(error, lines) from error
    except yaml.YAMLError as error:
        raise UnreadableError(f"this is not YAML: {error}") from error


class _Composer:
    def __init__(self, events: Iterator[Any]) -> None:
        self.events = events
        self.findings: list[Finding] = []
        self.anchors: dict[str, Node | None] = {}  # None: still open
        self.count = 0

    def document(self) -> tuple[Node, list[Finding]]:
        next(self.events)  # the stream begins
        if isinstance(next(self.events), yaml.StreamEndEvent):
            raise UnreadableError("the file is empty", hint=_NO_MORE)
        root = self.node(next(self.events), 0)
        next(self.events)  # the document ends
        further = next(self.events)
        if not isinstance(further, yaml.StreamEndEvent):
            raise UnreadableError(
                "a second document starts here, and a flow file holds one",
                _place(further),
                "put each flow into a file of its own",
            )
        if root.value is None:
            raise UnreadableError("the file is empty", hint=_NO_MORE)
        return root, self.findings

    def node(self, event: Any, depth: int) -> Node:
        place = _place(event)
        self.bounded(place, depth)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), place, depth)
        if event.anchor:
            self.anchors[event.anchor] = None
        self.check_tag(event, place)
        if isinstance(event, yaml.ScalarEvent):
            node = _scalar(event, place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = Node(self.items(depth), place)
        else:
            node = Node(self.entries(depth), place)
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
            place = _place(event)
            key = self.key(event, depth + 1)
            value = self.node(next(self.events), depth + 1)
            first = entries.get(key)
            if first is None:
                value.key_place = place
                entries[key] = value
            elif first.key_place:
                line = first.key_place.line
                message = f"the key `{shown(key)}` stands here a second time"
                self.findings.append(Finding(message, place, hint=f"the first is in line {line}"))
        return entries

    def key(self, event: Any, depth: int) -> str:
        """The text of a key: as it is written, so that `on` and `1` are keys like any other."""
        place = _place(event)
        node = self.node(event, depth)
        if not isinstance(event, yaml.ScalarEvent) or not event.value:
            raise UnreadableError("a key must be a word", place)
        if event.value == "<<" and node.style == "plain":
            hint = "repeat the keys, or use an alias for a whole value"
            raise UnreadableError("merge keys (`<<`) are not supported", place, hint)
        return str(event.value)

    def alias(self, name: str, place: Place, depth: int) -> Node:
        if name not in self.anchors:
            raise UnreadableError("there is no anchor of this name above", place)
        target = self.anchors[name]
        if target is None:
            raise UnreadableError("this alias stands inside its own anchor", place)
        node = self.copy(target, place, depth)
        node.place = place
        return node

    def copy(self, node: Node, alias: Place, depth: int) -> Node:
        self.bounded(alias, depth)
        value = node.value
        if isinstance(value, dict):
            value = {key: self.copy(child, alias, depth + 1) for key, child in value.items()}
        elif isinstance(value, list):
            value = [self.copy(child, alias, depth + 1) for child in value]
        return Node(value, node.place, node.key_place, node.style)

    def bounded(self, place: Place, depth: int) -> None:
        self.count += 1
        if depth > DEEPEST:
            raise UnreadableError(f"more than {DEEPEST} levels of nesting", place)
        if self.count > MOST:
            raise UnreadableError(
                f"more than {MOST:,} values", place, "a value behind an alias counts every time"
            )

    def check_tag(self, event: Any, place: Place) -> None:
        core = {"str": yaml.ScalarEvent, "seq": yaml.SequenceStartEvent}
        core["map"] = yaml.MappingStartEvent
        tag = (event.tag or "!").removeprefix("tag:yaml.org,2002:")
        if tag != "!" and not isinstance(event, core.get(tag, ())):
            hint = "put it in quotes if the `!` belongs to the value"
            raise UnreadableError("tags have no meaning in a flow", place, hint)


def _scalar(event: Any, place: Place) -> Node:
    if event.style or event.tag:
        return Node(event.value, place, style="quoted")
    if event.value == "":
        return Node(None, place, style="empty")
    return Node(scalar(event.value), place)


def _place(event: Any) -> Place:
    return Place(False, event.start_mark.line + 1, event.start_mark.column + 1)
