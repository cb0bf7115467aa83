"""The hooks that flowrun brings and their options, from the schema: nothing is imported."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from flowrun.spec.flow import LIBRARY
from flowrun.spec.hints import closest_match
from flowrun.spec.schema import Schema, schema

_PREFIX = "hook_"


@cache
def hooks() -> dict[str, Schema]:
    """The schema of the options of each hook, by its bare name. `x-hook` is `preprocess` or
    `postprocess`."""
    found = schema()["$defs"]
    return {name.removeprefix(_PREFIX): of for name, of in found.items() if "x-hook" in of}


def options_of(entries: Mapping[str, Any]) -> Schema | None:
    """The schema of `with` in an entry of `preprocess` or `postprocess`, by its `hook`; `None` for
    a hook of the user's."""
    path = getattr(entries.get("hook"), "value", None)
    name = path.rpartition(":")[2] if isinstance(path, str) else ""
    return hooks().get(name) if path in (name, f"{LIBRARY}.{name}:{name}") else None


def intended_option(option: str, of: Schema) -> str | None:
    """The option that an unknown one probably stands for; `of` are those that the hook has."""
    return closest_match(option, tuple(of["properties"]))


def unknown_option(option: str, of: Schema) -> tuple[str, str]:
    """Message and hint for an option that a hook does not have; `of` are those that it has."""
    near = intended_option(option, of)
    known = ", ".join(f"`{name}`" for name in of["properties"]) or "none"
    hint = f"did you mean `{near}`?" if near else f"its options: {known}"
    return f"{of['title']} has no option `{option}`", hint
