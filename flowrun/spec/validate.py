"""Validate a flow against the schema, with one message per error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from flowrun.spec import hints
from flowrun.spec.hook_options import intended_option, unknown_option
from flowrun.spec.lookalikes import control_character, lookalike
from flowrun.spec.messages import describe_value, expected
from flowrun.spec.nodes import (
    Finding,
    Location,
    Node,
    Path,
    dotted,
    find,
    leaves,
    plain_value,
    printable,
)
from flowrun.spec.same_file import same_files
from flowrun.spec.schema import Schema, is_known
from flowrun.spec.secrets import is_secret
from flowrun.spec.uri_mistakes import uri_mistake

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

# Of several errors about one key only the first in this order is reported: it causes the others.
_ORDER = ("additionalProperties", "type", "enum", "", "const", "required")


def validate(root: Node) -> list[Finding]:
    """The errors of a flow by the schema, and sinks that would write the same file: one finding per
    cause, in no particular order."""
    from flowrun.spec.schema_validator import validator

    findings: dict[Path, Finding] = {}
    intended: set[Path | None] = set()  # the keys that unknown ones probably stand for
    for error in sorted(validator().iter_errors(plain_value(root)), key=_order):
        for path, finding in _findings(error, root):
            if error.validator == "additionalProperties":
                intended.add(_intended(path, _schema(error)))
            if path not in intended and path not in findings:
                findings[path] = finding
    for path, node in leaves(root):
        if _is_sink(path) and node.style == "empty":
            findings[path] = _empty_sink(path, node)
        elif (found := lookalike(path, node)) is not None or (
            _is_uri(path) and (found := uri_mistake(path, node)) is not None
        ):
            findings[path] = found
        elif (found := control_character(path, node)) is not None:
            findings.setdefault(path, found)
    for path, finding in same_files(root):
        findings.setdefault(path, finding)
    return list(findings.values())


def _intended(path: Path, of: Schema) -> Path | None:
    """The path of the key that the unknown one at `path` probably stands for."""
    if "x-hook" not in of:
        return hints.intended_path(path, of)
    near = intended_option(str(path[-1]), of)
    return (*path[:-1], near) if near else None


def _is_sink(path: Path) -> bool:
    return path[:1] == ("sink",) and _is_uri(path)


def _is_uri(path: Path) -> bool:
    """Whether a source or a sink has its URI at `path`."""
    last = path[-1] if path else ""
    return path[:1] in (("source",), ("sink",)) and (
        last in ("source", "sink", "uri") or isinstance(last, int)
    )


def _empty_sink(path: Path, node: Node) -> Finding:
    """`null` is a sink, but an empty value has probably been forgotten."""
    hint = "give it a value; `null` discards the frames"
    return Finding(f"`{dotted(path)}` has no value", _key_location(node), dotted(path), hint)


def _order(error: ValidationError) -> int:
    name = str(error.validator)
    return _ORDER.index(name if name in _ORDER else "")


def _schema(error: ValidationError) -> Schema:
    return cast(Schema, error.schema)  # `true` and `false`, which jsonschema allows, are not used


def _findings(error: ValidationError, root: Node) -> Iterator[tuple[Path, Finding]]:
    path: Path = tuple(error.absolute_path)
    node, of = find(root, path), _schema(error)
    if error.validator == "additionalProperties":
        yield from _unknown(of, path, node)
    elif error.validator in ("required", "dependentRequired"):
        yield from _missing(error, path, node)
    elif "propertyNames" in error.absolute_schema_path:
        key = str(error.instance)
        entry = find(node, (key,))
        message = f"`{dotted(path)}` has the key `{printable(key)}`, {expected(of)}"
        yield (*path, key), Finding(message, _key_location(entry), dotted((*path, key)))
    else:
        location = node.location if _is_short(node) else _key_location(node)
        quoted = error.validator == "const" and node.style == "quoted"  # `version: "1"`
        known = (error.validator != "const" or quoted) and not is_secret(path)
        hint = hints.wrong_value(node, of) if known else ""
        yield path, Finding(_message(error, path, node), location, dotted(path), hint)


def _message(error: ValidationError, path: Path, node: Node) -> str:
    name = f"`{dotted(path)}`" if path else "the flow"
    of = _schema(error)
    if error.validator == "uniqueItems":
        return f"{name} has the same item twice"
    if error.validator == "minItems":
        return f"{name} is an empty list, expected at least one item"
    if node.style == "empty":
        return f"{name} has no value, {expected(of)}"
    return f"{name} is {describe_value(node, path)}, {expected(of)}"


def _unknown(of: Schema, path: Path, node: Node) -> Iterator[tuple[Path, Finding]]:
    entries = node.value if isinstance(node.value, dict) else {}
    for key in [key for key in entries if not is_known(of, key)]:
        full = (*path, key)
        if "x-hook" in of:
            message, hint = unknown_option(str(key), of)
        else:
            hint, message = hints.unknown_key(full, of), f"unknown key `{dotted(full)}`"
        yield full, Finding(message, _key_location(entries[key]), dotted(full), hint)


def _missing(error: ValidationError, path: Path, node: Node) -> Iterator[tuple[Path, Finding]]:
    entries = node.value if isinstance(node.value, dict) else {}
    of = _schema(error)
    reasons: dict[str, str] = {}
    if error.validator == "required":
        reasons = dict.fromkeys(of["required"], "")
    else:
        for key, needed in of["dependentRequired"].items():
            if key in entries:
                reasons |= dict.fromkeys(needed, f": `{key}` needs it")
    for key, reason in reasons.items():
        if key not in entries:
            full = (*path, key)
            message = f"`{dotted(full)}` is missing{reason}"
            yield full, Finding(message, _key_location(node), dotted(full))


def _is_short(node: Node) -> bool:
    """Whether the caret is at the value; for a mapping, a list or no value it is at the key."""
    return not isinstance(node.value, dict | list) and node.style != "empty"


def _key_location(node: Node) -> Location:
    return node.key_location or node.location
