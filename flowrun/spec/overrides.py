"""Apply overrides from the command line: `--set KEY=VALUE`, and flags with the same effect."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import cast

from flowrun.spec.flow_text import Flag, Override
from flowrun.spec.kinds import SinkKind, sink_kind
from flowrun.spec.nodes import (
    OVERRIDES,
    Finding,
    Location,
    MalformedMessageError,
    Node,
    dotted,
    printable,
)
from flowrun.spec.schema import Schema, child, inlined, types
from flowrun.spec.yaml_parser import MAX_DEPTH, MAX_VALUES, parse_yaml

_FORM = "write KEY=VALUE, such as `limits.frames=10` or `preprocess.0.on_error=drop`"
_INDEX = re.compile(r"\[(\d+)\](?=$|[.[])")  # in a key; `sink[0].uri` is `sink.0.uri`
_CLOSING = {"[": "]", "{": "}", '"': '"', "'": "'"}


def apply_overrides(root: Node, overrides: Sequence[Override]) -> list[Finding]:
    """Apply every override to `root`, in place and in order, and return the problems.

    Short forms on the path are expanded to long ones; missing mappings are created.
    """
    findings = []
    for number, override in enumerate(overrides, start=1):
        location = Location(OVERRIDES, number, 1)
        if isinstance(override, Flag) and override.adds:
            _add_sink(root, override, location)
            continue
        if isinstance(override, Flag):
            start, value, path = override.name, override.value, _path(root, override)
        else:
            start, equals, value = override.partition("=")
            path = _INDEX.sub(r".\1", start).split(".")
            if not equals or not all(path) or len(path) > MAX_DEPTH:
                what = f"`{printable(start)}`" if start else "an empty text"
                message = f"{what} is not an override"
                findings.append(Finding(message, location, hint=_FORM))
                continue
            if path[0] == "expect":  # whose keys have dots
                path = [*path[:1], *filter(None, [".".join(path[1:])])]
            if path[0] == "extends":
                message = "`extends` cannot be set: the files are merged before the overrides"
                findings.append(Finding(message, location, "extends"))
                continue
        try:
            _set(root, path, _value(value, Location(OVERRIDES, number, len(start) + 2)), location)
        except MalformedMessageError as error:
            findings.append(error.finding)
    return findings


def _path(root: Node, flag: Flag) -> list[str]:
    """The key that `flag` sets. A new URI for the sink keeps the sink's other keys if it is of the
    same kind; a sink of another kind, and a list of sinks, are replaced as a whole."""
    sink = root.value.get("sink") if isinstance(root.value, dict) else None
    if flag.key != "sink.uri" or sink is None:
        return flag.key.split(".")
    uri = sink.value.get("uri") if isinstance(sink.value, dict) else None
    if uri is None or _kind(uri.value) not in (_kind(flag.value), None):
        return ["sink"]
    return ["sink", "uri"]


def _add_sink(root: Node, flag: Flag, location: Location) -> None:
    """Add a sink of the kind `flag.adds`, or set the address of the existing one."""
    flow = cast(dict[str, Node], root.value)
    before = flow.get("sink")
    sinks = [] if before is None else before.value if isinstance(before.value, list) else [before]
    others = [each for each in sinks if _kind(_uri(each)) != flag.adds]
    if flag.value or len(others) == len(sinks):
        uri = f"{flag.adds}:{flag.value}" if flag.value else f"{flag.adds}"
        at = location._replace(column=len(flag.name) + 2) if flag.value else location
        flow["sink"] = Node([*others, Node(uri, at, location, untyped=True)], location, location)


def _uri(sink: Node) -> object:
    uri = sink.value.get("uri") if isinstance(sink.value, dict) else sink
    return uri.value if uri is not None else None


def _kind(uri: object) -> SinkKind | None:
    """The kind of sink; `None` if it is not supported or depends on variables."""
    try:
        return "null" if uri is None else sink_kind(str(uri))
    except ValueError:
        return None


def _value(text: str, location: Location) -> Node:
    """Parse the value: a quoted scalar, a list or a mapping as in YAML, else plain text."""
    opening = text[:1]
    if opening not in _CLOSING or not text.rstrip().endswith(_CLOSING[opening]):
        return Node(text, location, untyped=True)
    try:
        node, findings = parse_yaml(text)
    except MalformedMessageError as error:
        found = error.finding
        raise MalformedMessageError(
            found.message, _within(found.location, location), found.hint
        ) from error
    if findings:
        found = findings[0]
        raise MalformedMessageError(found.message, _within(found.location, location), found.hint)
    _move(node, location)
    return node


def _move(node: Node, to: Location) -> None:
    """Replace the locations in a value by those in the override."""
    node.location = _within(node.location, to)
    node.key_location = _within(node.key_location, to) if node.key_location else None
    if isinstance(node.value, dict | list):
        children = node.value.values() if isinstance(node.value, dict) else node.value
        for each in children:
            _move(each, to)


def _within(location: Location, start: Location) -> Location:
    column = start.column + location.column - 1 if location.line == 1 else start.column
    return Location(OVERRIDES, start.line, column)


def _set(root: Node, path: Sequence[str], value: Node, location: Location) -> None:
    node, of = root, inlined()
    for depth, key in enumerate(path[:-1], start=1):
        node, of = _enter(node, of, key, path[: depth - 1], location)
    key = path[-1]
    inside = _container(node, of, key, path[:-1], location)
    if isinstance(inside, list):
        inside[int(key)] = value
    else:
        value.key_location = location
        inside[key] = value


def _enter(
    node: Node, of: Schema, key: str, path: Sequence[str], location: Location
) -> tuple[Node, Schema]:
    inside = _container(node, of, key, path, location)
    if isinstance(inside, list):
        return inside[int(key)], child(of, int(key))
    if key not in inside:
        inside[key] = Node([] if types(child(of, key)) == ["array"] else {}, location, location)
    return inside[key], child(of, key)


def _container(
    node: Node, of: Schema, key: str, path: Sequence[str], location: Location
) -> dict[str, Node] | list[Node]:
    """The mapping or list for `key`, created from a short form if necessary.

    Raises `MalformedMessageError` if it cannot have `key`.
    """
    name = dotted(path)
    number = key.isascii() and key.isdigit() and len(key) <= len(str(MAX_VALUES))
    if isinstance(node.value, list):
        count = len(node.value)
        if not number:
            example = ".".join((*path, "0", key))
            message = f"`{name}` is a list"
            raise MalformedMessageError(
                message, location, f"give the index of an item: `{printable(example)}`"
            )
        if int(key) >= count:
            items = "1 item" if count == 1 else f"{count or 'no'} items"
            hint = "the index of the first item is 0" if count else ""
            raise MalformedMessageError(f"`{name}` has {items}", location, hint)
        return node.value
    if isinstance(node.value, dict):
        return node.value
    if number:
        raise MalformedMessageError(f"`{name}` is not a list here", location, "remove the index")
    inside: dict[str, Node] = {}
    if "x-short" in of:
        inside[of["x-short"]] = Node(
            node.value, node.location, node.key_location, node.style, node.untyped
        )
    elif node.value is not None:
        raise MalformedMessageError(f"`{name}` has no keys", location)
    node.value = inside
    return inside
