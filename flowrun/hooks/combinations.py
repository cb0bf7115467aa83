"""Check hooks that depend on one another, from the flow alone."""

from __future__ import annotations

from collections.abc import Sequence

from flowrun.errors import InvalidFlowError
from flowrun.spec.flow import LIBRARY, HookSpec

_TRACK, _ZONES = (f"{LIBRARY}.{name}:{name}" for name in ("track", "zones"))


def order_errors(specs: Sequence[HookSpec], key: str) -> list[InvalidFlowError]:
    """The hooks of one list that lack a hook before them. A hook that flowrun does not bring may do
    its work."""
    found = []
    for n, spec in enumerate(specs):
        before = specs[:n]
        tracked = any(each.hook == _TRACK or not each.is_brought for each in before)
        if spec.hook == _ZONES and spec.with_.get("lines") and not tracked:
            error = InvalidFlowError(
                "lines count tracks, and no hook before `zones` gives the detections a track_id",
                key=f"{key}[{n}].with.lines",
                hint="put `track` before `zones`",
            )
            found.append(error)
    return found
