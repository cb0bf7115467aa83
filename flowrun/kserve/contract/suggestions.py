"""What to write instead: the lines of YAML that mend what does not fit."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches

from flowrun.errors import ContractError

_MOST_NAMES = 8
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def lines(keys: Mapping[str, str | bool], size: tuple[int, int] | None = None) -> str:
    """`keys` of the flow's `transport`, and the hook that makes pictures of `size` (width, height),
    as YAML below the words that say where they belong."""
    parts = []
    if keys:
        parts.append("write under `transport`:")
        parts += [f"  {key}: {_scalar(value)}" for key, value in keys.items()]
    if size is not None:
        parts.append(f"{'and' if keys else 'write'} as the last item of `preprocess`:")
        parts.append("  - hook: flowrun.hooks.resize:resize")
        parts.append(f"    with: {{size: {size[0]}x{size[1]}}}")
    return "\n".join(parts)


def unknown(what: str, wanted: str, names: Sequence[str], key: str) -> ContractError:
    """The error for `what` that is not called `wanted`: tells some of the `names`, nearest first,
    and what to write under `transport` where only one can be meant."""
    near = sorted(names, key=lambda name: -SequenceMatcher(None, wanted, name).ratio())
    meant = near if len(near) == 1 else get_close_matches(wanted, near, n=1)
    hints = []
    if len(near) > 1 or not key.startswith("transport."):
        further = len(near) - _MOST_NAMES
        shown = ", ".join(map(repr, near[:_MOST_NAMES]))
        hints.append(f"it has {shown}" + (f" and {further} more" if further > 0 else ""))
    if meant and key.startswith("transport."):
        hints.append(lines({key.rpartition(".")[2]: meant[0]}))
    return ContractError(f"{what} {wanted!r}", key=key, hint="\n".join(hints) or None)


def _scalar(value: str | bool) -> str:
    """`value` in YAML; in quotes where it would not be read as the text that it is."""
    if isinstance(value, bool):
        return str(value).lower()
    plain = re.fullmatch(r"[A-Za-z_][\w./-]*", value) and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)
