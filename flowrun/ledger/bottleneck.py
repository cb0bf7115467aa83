"""What holds a run up, and that in words."""

from __future__ import annotations

from collections.abc import Mapping

WORKING = ("source", "preprocess", "transport", "postprocess", "sink")  # the others only wait
_NAMES = {
    "preprocess": "preprocess hooks",
    "transport": "server",
    "postprocess": "postprocess hooks",
}


def per_frame(seconds: float, frames: int, taken: int) -> float | None:
    """What a frame costs a stage on average, in milliseconds, that was busy for `seconds` with
    `frames` of those that were `taken`, which are all that were not too late: one that a hook left
    out costs the stages behind it nothing. `None` where nothing was measured."""
    return round(seconds / max(frames, taken) * 1000, 3) if frames else None


def slowest(costs: Mapping[str, float | None], late: int) -> str | None:
    """The stage that a frame costs most; `None` if nothing was measured. The source, which may just
    be waiting for its next frame, is none that others are too `late` for."""
    able = {name: cost for name, cost in costs.items() if cost and not (late and name == "source")}
    return max(able, key=lambda name: able[name], default=None)


def in_words(
    stage: str | None,
    busy_ms: Mapping[str, float | None],
    period_ms: float | None,
    captured: int,
    dropped: Mapping[str, int],
) -> str:
    """`server 41 ms per frame > 33 ms frame period: 24 % dropped`, from what the summary says.

    The share is that of the frames that were overtaken or grew too old; what a hook or the model
    left out was not too slow. Without a bottleneck it is `-`.
    """
    if stage is None:
        return "-"
    said, busy = _NAMES.get(stage, stage), busy_ms[stage]
    if busy is None:
        return said
    said += f" {short(busy)} ms per frame"
    if period_ms is not None:
        ours, frames = short(busy), short(period_ms)
        sign = "=" if ours == frames else ">" if busy > period_ms else "<"
        said += f" {sign} {frames} ms frame period"
    late = dropped["superseded"] + dropped["stale"]
    if late:
        return f"{said}: {_percent(late / captured)} dropped"
    return said


def short(milliseconds: float) -> str:
    """With as many digits as mean something: `41`, `4.1`."""
    return f"{milliseconds:.0f}" if milliseconds >= 9.95 else f"{milliseconds:.1f}"  # noqa: PLR2004


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.005 else "less than 1 %"  # noqa: PLR2004
