"""Convert text from variables and overrides to the types of the schema."""

from __future__ import annotations

import re

from flowrun.spec.hook_options import options_of
from flowrun.spec.nodes import Node, Scalar
from flowrun.spec.scalars import scalar
from flowrun.spec.schema import Schema, child, types


def coerce(node: Node, of: Schema) -> None:
    """Convert every `untyped` text below `node`, in place, to a number, a boolean or null if the
    schema allows that. If it allows a string as well, quotes decide, as in YAML."""
    if isinstance(node.value, dict):
        options = options_of(node.value) if of.get("x-short") == "hook" else None
        for key, value in node.value.items():
            coerce(value, options if options and key == "with" else child(of, key))
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            coerce(item, child(of, index))
    elif node.untyped and isinstance(node.value, str) and node.value:
        read = scalar(node.value)
        if _fits(read, of) and (node.style == "plain" or not _takes_text(node.value, of)):
            node.value = read


def _fits(value: Scalar, of: Schema) -> bool:
    allowed = types(of)
    if not allowed:
        return True
    if isinstance(value, bool):
        return "boolean" in allowed
    if isinstance(value, int):
        return "integer" in allowed or "number" in allowed
    if isinstance(value, float):
        return "number" in allowed or ("integer" in allowed and value.is_integer())
    return value is None and "null" in allowed


def _takes_text(text: str, of: Schema) -> bool:
    allowed = types(of)
    return not allowed or ("string" in allowed and bool(re.search(of.get("pattern", ""), text)))
