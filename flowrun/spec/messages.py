"""Parts of a message: the value that was found, and what is allowed."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from flowrun.spec.nodes import Node, Path, printable
from flowrun.spec.schema import Schema, types
from flowrun.spec.secrets import is_secret, redact

_NAMES = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "`true` or `false`",
    "object": "a mapping",
    "array": "a list",
    "null": "`null`",
}
_FEW = 4  # keys of a mapping that a message lists


def describe_value(node: Node, path: Path) -> str:
    """The value as in YAML, for a message; a secret one is hidden."""
    value = node.value
    if isinstance(value, dict | list):
        kind = "mapping" if isinstance(value, dict) else "list"
        return f"a {kind}" if value else f"an empty {kind}"
    if is_secret(path):
        return "a hidden value"
    if isinstance(value, str):
        return f"'{printable(redact(value))}'"
    if isinstance(value, float) and not math.isfinite(value):
        return {math.inf: ".inf", -math.inf: "-.inf"}.get(value, ".nan")
    return json.dumps(value)


def expected(of: Schema) -> str:
    """What the schema allows, as the continuation of `… is 5, `."""
    if "errorMessage" in of:
        return str(of["errorMessage"])
    if "enum" in of:
        return f"expected {join_alternatives(of['enum'])}"
    names = [_NAMES[name] for name in types(of) if name != "null"]
    keys = _keys(of) if names == ["a mapping"] else ""
    return f"expected {' or '.join(names)}{keys}{_range(of)}"


def join_alternatives(values: Sequence[str]) -> str:
    """`a`, `b` or `c`."""
    *most, last = [f"`{value}`" for value in values]
    return f"{', '.join(most)} or {last}" if most else last


def _keys(of: Schema) -> str:
    """The keys of a mapping: all of them if they are few, otherwise those that it needs."""
    keys = of.get("properties", {})
    names = [
        f"`{key}`"
        for key in (
            keys
            if len(keys) <= _FEW
            else of.get("required", of.get("then", {}).get("required", ()))
        )
    ]
    return f" with {', '.join(names)}" if names else ""


def _range(of: Schema) -> str:
    low, high = of.get("minimum"), of.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    bounds = []
    if low is not None:
        bounds.append(f"of at least {low}")
    if "exclusiveMinimum" in of:
        bounds.append(f"above {of['exclusiveMinimum']}")
    if high is not None:
        bounds.append(f"up to {high}")
    text = " and ".join(bounds)
    return f" {text}" if text else ""
