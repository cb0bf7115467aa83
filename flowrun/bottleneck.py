"""What holds a run up, in words."""

from __future__ import annotations

from collections.abc import Mapping

WORKING = ("source", "preprocess", "transport", "postprocess", "sink")  # the others only wait
_NAMES = {
    "preprocess": "preprocess hooks",
    "transport": "server",
    "postprocess": "postprocess hooks",
}


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
