"""Find valid values of a flow that probably mean something else."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowrun.spec.nodes import Finding, Node, dotted, leaves

# Keys whose value is hardly ever as long.
_SHORT = ("timeout", "open_timeout", "read_timeout", "max_age", "initial", "maximum", "poll")
_LONG = 100  # seconds
_LOSSES = ("dropped", "failed", "aborted")  # of `expect`


def doubtful(root: Node) -> Iterator[Finding]:
    """A finding for each doubtful value, none of which is an error."""
    yield from _unitless(root)
    yield from _losses(root)


def _unitless(root: Node) -> Iterator[Finding]:
    """Durations that are probably meant in milliseconds: numbers without a unit are seconds."""
    for path, node in leaves(root):
        value = node.value
        named = path and path[-1] in _SHORT and "with" not in path  # not an option of a hook
        if named and isinstance(value, int) and value >= _LONG:
            name = dotted(path)
            hint = f"milliseconds are written `{value}ms`, seconds `{value}s`"
            yield Finding(f"`{name}` is {value} seconds", node.location, name, hint)


def _losses(root: Node) -> Iterator[Finding]:
    """Percentages of lost frames that are probably meant as the largest one: without a comparison
    they are the smallest."""
    for path, node in leaves(root):
        key, value = ".".join(map(str, path[1:])), str(node.value)
        is_loss = path[0] == "expect" and key.partition(".")[0] in _LOSSES
        if is_loss and re.fullmatch(r"[\d.]+%", value):
            message = f"`expect.{key}`: without a comparison, {value} means at least {value}"
            hint = f'write `{key}: "<= {value}"` for at most {value}'
            yield Finding(message, node.location, f"expect.{key}", hint)
