"""Explain a flow: every value, and where it comes from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowrun.chain import policies
from flowrun.spec.flow_text import Flag
from flowrun.spec.load import LoadedFlow
from flowrun.spec.nodes import Node, Path, UsedVariable, dotted, printable
from flowrun.spec.schema import Schema, child, inlined, types
from flowrun.spec.secrets import MASK, is_secret, redact, secrets_of


@dataclass(frozen=True, slots=True)
class Value:
    """`value` as written in the flow, or `***` for a secret.

    It comes from `line` (from 1) of `file`, or from `flag` as it was typed (also `--set`); with
    neither it is the default. `variables` are those in the text. `means` is the value of an `auto`,
    as far as it is known before a run.
    """

    key: str
    value: Any
    line: int | None = None
    flag: str | None = None
    variables: tuple[UsedVariable, ...] = ()
    means: str | None = None
    file: str | None = None

    def origin(self) -> str:
        """As text: `flow.yaml:3, ${INPUT} is set`."""
        location = self.flag or (f"{self.file}:{self.line}" if self.line else "default")
        used = (f"${{{name}}} is {'set' if found else 'not set'}" for name, found in self.variables)
        return ", ".join([location, *used])

    def to_json(self) -> dict[str, Any]:
        """All fields; `variables` as `{name: whether it is set}`."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "variables": {used.name: used.found for used in self.variables}}


def explain(loaded: LoadedFlow) -> list[Value]:
    """The value of every key of the schema, in its order, and of every key of the flow below the
    hooks' `with`, headers and parameters."""
    means, secrets = policies.foreseen(loaded.flow), secrets_of(loaded.flow)
    found = []
    for path, node, default in _walk(loaded.root, inlined(), ()):
        value = (loaded.flow.name if path == ("name",) else default) if node is None else node.value
        key = redact(dotted(path), secrets)
        if is_secret(path) and node is not None and not isinstance(value, dict | list):
            value = MASK
        elif isinstance(value, str):
            value = redact(value, secrets)
        file, line, flag = _location(loaded, node)
        variables = node.variables if node is not None else ()
        found.append(Value(key, value, line, flag, variables, means.get(key), file))
    return found


def _location(loaded: LoadedFlow, node: Node | None) -> tuple[str | None, int | None, str | None]:
    """The file and the line in it, or the flag of the command line."""
    if node is None:
        return None, None, None
    if not node.location.override:
        return loaded.flow_text.file(node.location), node.location.line, None
    override = loaded.flow_text.overrides[node.location.line - 1]
    return None, None, override.name if isinstance(override, Flag) else "--set"


def _walk(node: Node | None, of: Schema, path: Path) -> Iterator[tuple[Path, Node | None, Any]]:
    """Every key with its node or, if the flow does not have it, with its default."""
    value = of.get("default") if node is None else node.value
    keys = of.get("properties", {})
    short = of.get("x-short")
    if node is not None and isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _walk(item, child(of, number), (*path, number))
    elif keys and isinstance(value, dict):
        for key, part in keys.items():
            yield from _walk(value.get(key), part, (*path, key))
        for key in [key for key in value if key not in keys]:  # by a pattern
            yield from _walk(value[key], child(of, key), (*path, key))
    elif node is not None and isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _walk(each, child(of, key), (*path, key))
    elif short and node is not None and _takes(keys[short], value):
        for key, part in keys.items():
            yield from _walk(node if key == short else None, part, (*path, key))
    elif node is not None and isinstance(value, dict | list):  # an empty one
        yield path, Node({} if isinstance(value, dict) else [], node.location), None
    else:
        yield path, node, value


def _takes(part: Schema, value: Any) -> bool:
    """Whether `value` is a short form: null is one for `sink`, but means "off" for `metrics`."""
    return value is not None or "null" in types(part)


def table(values: list[Value]) -> str:
    """A line for each value: key, value, origin; without a final line end."""
    rows = [(each.key, _written(each), each.origin()) for each in values]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(
        f"{key:{widths[0]}}  {value:{widths[1]}}  {origin}" for key, value, origin in rows
    )


def _written(each: Value) -> str:
    plain = isinstance(each.value, str) and each.value
    text = printable(each.value) if plain else json.dumps(each.value, ensure_ascii=False)
    return f"{text} ({each.means})" if each.means else text
