"""Check hooks that depend on one another, from the flow alone."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from flowrun.errors import InvalidFlowError
from flowrun.spec.flow import LIBRARY, Flow, HookSpec
from flowrun.spec.problems import Remark

log = logging.getLogger("flowrun")

_TRACK, _ZONES, _DRAW_ZONES, _BLUR = (
    f"{LIBRARY}.{name}:{name}" for name in ("track", "zones", "draw_zones", "blur")
)


def order_errors(specs: Sequence[HookSpec], key: str) -> list[InvalidFlowError]:
    """The hooks of one list that lack a hook before them. A hook that flowrun does not bring may do
    its work."""
    found = []
    for n, spec in enumerate(specs):
        before = {each.hook for each in specs[:n]}
        own = any(not each.is_brought for each in specs[:n])
        if spec.hook == _ZONES and spec.with_.get("lines") and not own and _TRACK not in before:
            error = InvalidFlowError(
                "lines count tracks, and no hook before `zones` gives the detections a track_id",
                key=f"{key}[{n}].with.lines",
                hint="put `track` before `zones`",
            )
            found.append(error)
        if spec.hook == _DRAW_ZONES and _ZONES not in before:
            error = InvalidFlowError(
                "`draw_zones` draws what `zones` before it has counted, and there is none",
                key=f"{key}[{n}].hook",
                hint="put `zones` before `draw_zones`",
            )
            found.append(error)
    return found


def unblurred_frames(flow: Flow) -> Iterator[Remark]:
    """A note for every key by which frames of a flow with `blur` may be delivered as they are."""
    blurs = [n for n, each in enumerate(flow.postprocess) if each.hook == _BLUR]
    if not blurs:
        return
    policies = {
        f"transport.{key}": getattr(flow.transport, key) for key in ("on_error", "on_outage")
    }
    for n, each in enumerate(flow.postprocess[: blurs[-1] + 1]):
        policies[f"postprocess[{n}].on_error"] = each.on_error
    for key, policy in policies.items():
        if policy == "passthrough":
            message = "passthrough delivers frames that `blur` has not changed"
            yield Remark(key, message, "write `drop` to deliver none of them", "note")


def warn_of_unblurred_frames(flow: Flow) -> None:
    for remark in unblurred_frames(flow):
        log.warning("%s: %s; %s", remark.key, remark.message, remark.hint)
