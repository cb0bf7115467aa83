"""`--set KEY=VALUE`, and flags with the same effect: one key of the flow from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from flowrun.spec.kinds import SinkKind, sink_kind
from flowrun.spec.nodes import Finding, Node, Place, UnreadableError, dotted, shown
from flowrun.spec.origin import Flag, Override
from flowrun.spec.schema import Schema, child, inlined, types
from flowrun.spec.yaml_text import DEEPEST, MOST, read_yaml

_FORM = "write KEY=VALUE, such as `limits.frames=10` or `preprocess.0.on_error=drop`"
_CLOSING = {"[": "]", "{": "}", '"': '"', "'": "'"}


def apply_overrides(root: Node, overrides: Sequence[Override]) -> list[Finding]:
    """Set every override in `root`, in place and in their order, and say which ones cannot be set.

    A short form on the way becomes a long one; a mapping that is missing is made.
    """
    findings = []
    for number, override in enumerate(overrides, start=1):
        place = Place(True, number, 1)
        if isinstance(override, Flag) and override.adds:
            _add_sink(root, override, place)
            continue
        if isinstance(override, Flag):
            start, value, path = override.name, override.value, _path(root, override)
        else:
            start, equals, value = override.partition("=")
            path = start.split(".")
            if not equals or not all(path) or len(path) > DEEPEST:
                message = f"`{shown(start)}` is no override" if start else "this is no override"
                findings.append(Finding(message, place, hint=_FORM))
                continue
        try:
            _set(root, path, _value(value, Place(True, number, len(start) + 2)), place)
        except UnreadableError as error:
            findings.append(error.finding)
    return findings


def _path(root: Node, flag: Flag) -> list[str]:
    """The key that `flag` sets. Another URI for the sink leaves the keys beside it only to a sink
    of the same kind: one of another kind, and several sinks, it replaces as a whole."""
    sink = root.value.get("sink") if isinstance(root.value, dict) else None
    if flag.key != "sink.uri" or sink is None:
        return flag.key.split(".")
    uri = sink.value.get("uri") if isinstance(sink.value, dict) else None
    if uri is None or _kind(uri.value) not in (_kind(flag.value), None):
        return ["sink"]
    return ["sink", "uri"]


def _add_sink(root: Node, flag: Flag, place: Place) -> None:
    """One more sink of the kind `flag.adds`, or another address for the one that is there."""
    flow = cast(dict[str, Node], root.value)
    before = flow.get("sink")
    sinks = [] if before is None else before.value if isinstance(before.value, list) else [before]
    others = [each for each in sinks if _kind(_uri(each)) != flag.adds]
    if flag.value or len(others) == len(sinks):
        uri = f"{flag.adds}:{flag.value}" if flag.value else f"{flag.adds}"
        at = place._replace(column=len(flag.name) + 2) if flag.value else place
        flow["sink"] = Node([*others, Node(uri, at, place, open=True)], place, place)


def _uri(sink: Node) -> object:
    uri = sink.value.get("uri") if isinstance(sink.value, dict) else sink
    return uri.value if uri is not None else None


def _kind(uri: object) -> SinkKind | None:
    """`None` for what is no sink, or only will be one when its variables are known."""
    try:
        return "null" if uri is None else sink_kind(str(uri))
    except ValueError:
        return None


def _value(text: str, place: Place) -> Node:
    """A plain scalar as it stands, or a quoted scalar, a list or a mapping as in YAML."""
    opening = text[:1]
    if opening not in _CLOSING or not text.rstrip().endswith(_CLOSING[opening]):
        return Node(text, place, open=True)
    try:
        node, findings = read_yaml(text)
    except UnreadableError as error:
        found = error.finding
        raise UnreadableError(found.message, _within(found.place, place), found.hint) from error
    if findings:
        found = findings[0]
        raise UnreadableError(found.message, _within(found.place, place), found.hint)
    _move(node, place)
    return node


def _move(node: Node, to: Place) -> None:
    """Make the places of a value those of the override that it stands in."""
    node.place = _within(node.place, to)
    node.key_place = _within(node.key_place, to) if node.key_place else None
    if isinstance(node.value, dict | list):
        children = node.value.values() if isinstance(node.value, dict) else node.value
        for each in children:
            _move(each, to)


def _within(place: Place, start: Place) -> Place:
    column = start.column + place.column - 1 if place.line == 1 else start.column
    return Place(True, start.line, column)


def _set(root: Node, path: Sequence[str], value: Node, place: Place) -> None:
    node, of = root, inlined()
    for depth, key in enumerate(path[:-1], start=1):
        node, of = _enter(node, of, key, path[: depth - 1], place)
    key = path[-1]
    inside = _container(node, of, key, path[:-1], place)
    if isinstance(inside, list):
        inside[int(key)] = value
    else:
        value.key_place = place
        inside[key] = value


def _enter(
    node: Node, of: Schema, key: str, path: Sequence[str], place: Place
) -> tuple[Node, Schema]:
    inside = _container(node, of, key, path, place)
    if isinstance(inside, list):
        return inside[int(key)], child(of, int(key))
    if key not in inside:
        inside[key] = Node([] if types(child(of, key)) == ["array"] else {}, place, place)
    return inside[key], child(of, key)


def _container(
    node: Node, of: Schema, key: str, path: Sequence[str], place: Place
) -> dict[str, Node] | list[Node]:
    """The mapping or list that `key` is in, made from a short form if need be.

    Raises `UnreadableError` if `key` cannot be in it.
    """
    name = dotted(path)
    number = key.isascii() and key.isdigit() and len(key) <= len(str(MOST))
    if isinstance(node.value, list):
        count = len(node.value)
        if not number:
            example = ".".join((*path, "0", key))
            message = f"`{name}` is a list"
            raise UnreadableError(message, place, f"say which item: `{shown(example)}`")
        if int(key) >= count:
            items = "1 item" if count == 1 else f"{count or 'no'} items"
            hint = "the first one is number 0" if count else ""
            raise UnreadableError(f"`{name}` has {items}", place, hint)
        return node.value
    if isinstance(node.value, dict):
        return node.value
    if number:
        raise UnreadableError(f"`{name}` is not a list here", place)
    inside: dict[str, Node] = {}
    if "x-short" in of:
        inside[of["x-short"]] = Node(node.value, node.place, node.key_place, node.style, node.open)
    elif node.value is not None:
        raise UnreadableError(f"`{name}` has no keys of its own", place)
    node.value = inside
    return inside
