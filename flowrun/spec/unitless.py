"""Find durations that are probably meant in milliseconds: numbers without a unit are seconds."""

from __future__ import annotations

from collections.abc import Iterator

from flowrun.spec.nodes import Finding, Node, dotted, leaves

# Keys whose value is hardly ever as long.
_SHORT = ("timeout", "open_timeout", "read_timeout", "max_age", "initial", "maximum", "poll")
_LONG = 100  # seconds


def unitless(root: Node) -> Iterator[Finding]:
    """A finding for each long duration without a unit, none of which is an error."""
    for path, node in leaves(root):
        value = node.value
        named = path and path[-1] in _SHORT and "with" not in path  # not an option of a hook
        if named and isinstance(value, int) and value >= _LONG:
            name = dotted(path)
            hint = f"milliseconds are written `{value}ms`, seconds `{value}s`"
            yield Finding(f"`{name}` is {value} seconds", node.location, name, hint)
