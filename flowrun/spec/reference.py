"""The schema as a page for people: every key with its type, its default and its meaning."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from flowrun.spec.schema import Schema, schema, types
from flowrun.spec.wording import either

_INTRODUCTION = """\
# The flow, key by key

<!-- Made by `flowrun schema --format markdown`. Change schemas/flow.schema.json instead. -->

{description}

Durations are `500ms`, `5s`, `2m`, `1h` or a number of seconds; sizes are `1280x720`. Other keys
than these are errors. `flowrun explain` prints all of them for a flow of yours."""
_WORDS = {"string": "text", "object": "mapping", "array": "list", "boolean": "`true`, `false`"}
_NAMED = {"duration": "duration", "size": "size", "host_port": "`host:port`"}  # of $defs


def reference() -> str:
    """The page in Markdown, without a final line end."""
    whole = schema()
    parts = {key: _resolved(part) for key, part in whole["properties"].items()}
    required = whole["required"]
    plain = {key: part for key, part in parts.items() if not ({"properties", "items"} & set(part))}
    description = re.sub(r"\$?\$\{[^}. ]*\}?", lambda found: f"`{found[0]}`", whole["description"])
    sections = [_INTRODUCTION.format(description=description), _table(plain, required)]
    for key, part in parts.items():
        if key not in plain:
            sections += _section(key, part, required=key in required)
    return "\n\n".join(sections)


def _section(key: str, part: Schema, *, required: bool) -> Iterator[str]:
    yield f"## `{key}`"
    said = [part["description"]]
    if required:
        said.append("Required.")
    inside = part if "properties" in part else _resolved(part["items"])
    if "x-short" in inside:
        said.append(f"Short form: the value of `{inside['x-short']}` alone.")
    if part.get("x-planned") is True:
        said.append("Not supported yet.")
    yield " ".join(said)
    yield _table(inside["properties"], inside.get("required", []), _restrictions(inside))


def _table(
    keys: dict[str, Schema], required: list[str], restrictions: dict[str, str] | None = None
) -> str:
    rows = ["| key | value | default | |", "|---|---|---|---|"]
    for path, part in _flat(keys):
        default = "required" if path in required else _default(part)
        meaning = re.sub(r"\bnull: ", "`null`: ", part["description"])
        if part.get("x-planned") is True:
            meaning += " Not supported yet."
        elif "x-planned" in part:
            meaning += f" Not supported yet: {either(part['x-planned'])}."
        meaning += (restrictions or {}).get(path, "")
        cells = (f"`{path}`", _values(part), default, meaning)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows)


def _flat(keys: dict[str, Schema], prefix: str = "") -> Iterator[tuple[str, Schema]]:
    """Every key with its schema; of a mapping within, its keys."""
    for key, raw in keys.items():
        part = _resolved(raw)
        if "properties" not in part:
            yield prefix + key, part
        else:
            if "null" in types(part):
                yield prefix + key, part
            yield from _flat(part["properties"], f"{prefix}{key}.")


def _values(part: Schema) -> str:
    """What may stand there."""
    nothing = ["`null`"] if "null" in types(part) else []
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    named = part.get("$ref", "").removeprefix("#/$defs/")
    if named in _NAMED:
        return ", ".join([_NAMED[named], *nothing])
    word = re.fullmatch(
        r"\^(\w+)\$", part.get("pattern", "")
    )  # of a text that may be this one only
    text = {"string": f"`{word[1]}`"} if word else {}
    words = [text.get(name) or _WORDS.get(name, name) for name in types(part) if name != "null"]
    if words and words[0] in ("integer", "number") and "maximum" in part:
        above = f"above {part.get('exclusiveMinimum')} up"
        words[0] += f" {part.get('minimum', above)} to {part['maximum']}"
    return ", ".join([*words, *nothing])


def _default(part: Schema) -> str:
    if "default" not in part:
        return "-"
    value = part["default"]
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _restrictions(part: Schema) -> dict[str, str]:
    """By key, where it means nothing."""
    found: dict[str, list[str]] = {}
    for condition in part.get("allOf", ()):
        for branch in ("then", "else"):
            for key, of in condition.get(branch, {}).get("properties", {}).items():
                _, nothing, where = of.get("errorMessage", "").partition("which means nothing ")
                if nothing:
                    found.setdefault(key, []).append(where)
    return {key: f" Means nothing {', '.join(each)}." for key, each in found.items()}


def _resolved(part: Schema) -> Schema:
    """What a `$ref` stands for, under the keys beside it. The `$ref` stays."""
    if "$ref" not in part:
        return part
    return {**_resolved(schema()["$defs"][part["$ref"].removeprefix("#/$defs/")]), **part}
