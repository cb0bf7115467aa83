"""Suggest what to write instead, as lines of YAML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches

from flowrun.errors import ContractError

_MAX_NAMES = 8
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def yaml_lines(keys: Mapping[str, str | bool], size: tuple[int, int] | None = None) -> str:
    """`keys` of the flow's `transport`, and the hook that resizes to `size` (width, height), as
    YAML, each after a line that says where to write it."""
    parts = []
    if keys:
        parts.append("write under `transport`:")
        parts += [f"  {key}: {_scalar(value)}" for key, value in keys.items()]
    if size is not None:
        parts.append(f"{'and' if keys else 'write'} as the last item of `preprocess`:")
        parts.append("  - hook: flowrun.hooks.resize:resize")
        parts.append(f"    with: {{size: {size[0]}x{size[1]}}}")
    return "\n".join(parts)


def unknown_name(what: str, name: str, names: Sequence[str], key: str) -> ContractError:
    """The error for a name that does not exist: lists some of the existing `names`, most similar
    first, and what to write under `transport` if only one can be meant."""
    near = sorted(names, key=lambda each: -SequenceMatcher(None, name, each).ratio())
    meant = near if len(near) == 1 else get_close_matches(name, near, n=1)
    one_line = re.fullmatch(r"transport\.\w+", key)  # not an item of a list, not a hook
    hints = []
    if len(near) > 1 or not one_line:
        more = len(near) - _MAX_NAMES
        shown = ", ".join(map(repr, near[:_MAX_NAMES]))
        hints.append(f"it has {shown}" + (f" and {more} more" if more > 0 else ""))
    if meant and one_line:
        hints.append(yaml_lines({key.rpartition(".")[2]: meant[0]}))
    return ContractError(f"{what} {name!r}", key=key, hint="\n".join(hints) or None)


def _scalar(value: str | bool) -> str:
    """`value` in YAML; in quotes if it would not be read as this text."""
    if isinstance(value, bool):
        return str(value).lower()
    plain = re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)
