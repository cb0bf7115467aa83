"""The JSON Schema of a flow: the single source of the format.

Beside standard keywords it uses three of its own, which validators ignore: `x-short` names the key
whose value the short form is, `x-hook` marks the options of a hook of `preprocess` or of
`postprocess`, and `errorMessage` describes what is allowed (editors show it as well).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, cast

_PACKAGE = Path(__file__).parent.parent
_FOLDERS = (_PACKAGE / "schemas", _PACKAGE.parent / "schemas")  # installed; in a checkout

Schema = dict[str, Any]


@cache
def schema_text() -> str:
    """The text of the schema file. Raises `FileNotFoundError` for a broken installation."""
    files = [folder / "flow.schema.json" for folder in _FOLDERS]
    return next((file for file in files if file.is_file()), files[0]).read_text(encoding="utf-8")


@cache
def schema() -> Schema:
    """The schema as data. It is shared: do not change it."""
    return cast(Schema, json.loads(schema_text()))


@cache
def inlined() -> Schema:
    """The schema with every `$ref` resolved; keys beside the `$ref` win.

    Equivalent, but faster to validate with and simpler to traverse.
    """
    return cast(Schema, _inline(schema()))


def child(of: Schema, key: str | int) -> Schema:
    """The schema of one key of a mapping or item of a list; empty if anything is allowed."""
    if isinstance(key, int):
        found = of.get("items", {})
    else:
        matching = (part for pattern, part in _patterns(of) if re.search(pattern, key))
        found = of.get("properties", {}).get(key) or next(matching, None)
        found = found or of.get("additionalProperties") or {}
    return cast(Schema, found)


def is_known(of: Schema, key: str) -> bool:
    """Whether `of` has its own schema for `key`, by its name or by a pattern."""
    return key in of["properties"] or any(re.search(pattern, key) for pattern, _ in _patterns(of))


def _patterns(of: Schema) -> Iterable[tuple[str, Schema]]:
    return cast("Schema", of.get("patternProperties", {})).items()


def types(of: Schema) -> list[str]:
    """The JSON types that a schema allows; empty if anything is allowed."""
    named = of.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def _inline(part: Any) -> Any:
    if isinstance(part, list):
        return [_inline(item) for item in part]
    if not isinstance(part, dict):
        return part
    own = {key: _inline(value) for key, value in part.items() if key not in ("$ref", "$defs")}
    if "$ref" not in part:
        return own
    name = part["$ref"].removeprefix("#/$defs/")
    return {**_inline(schema()["$defs"][name]), **own}
