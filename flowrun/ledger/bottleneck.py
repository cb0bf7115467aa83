"""Find the bottleneck of a run and describe it in one line."""

from __future__ import annotations

from collections.abc import Mapping

WORKING = ("source", "preprocess", "transport", "postprocess", "sink")  # the others only wait
_NAMES = {"preprocess": "preprocess hooks", "postprocess": "postprocess hooks"}


def per_frame(seconds: float, frames: int, taken: int) -> float | None:
    """Mean milliseconds per frame of a stage that was busy for `seconds` with `frames` frames.

    `taken` is the number of captured frames that were neither superseded nor stale: a frame that a
    hook dropped counts with 0 ms in the stages after it. `None` if nothing was measured."""
    return round(seconds / max(frames, taken) * 1000, 3) if frames else None


def slowest(costs: Mapping[str, float | None], *, not_source: bool) -> str | None:
    """The stage with the highest cost per frame; `None` if nothing was measured.

    `not_source`: it is certainly not the source, which may just wait for its next frame. Frames
    were superseded or stale, or the model server or a sink was unavailable."""
    able = {
        name: cost for name, cost in costs.items() if cost and not (not_source and name == "source")
    }
    return max(able, key=lambda name: able[name], default=None)


def describe(
    stage: str | None,
    busy_ms: Mapping[str, float | None],
    period_ms: float | None,
    captured: int,
    dropped: Mapping[str, int],
) -> str:
    """`transport 41 ms per frame > 33 ms frame period: 24 % dropped`, or `…: keeps up`, from the
    summary's values.

    The percentage is that of superseded and stale frames only: frames that a hook dropped or the
    model did not answer were not too slow. `-` without a bottleneck.
    """
    if stage is None:
        return "-"
    text, busy = _NAMES.get(stage, stage), busy_ms[stage]
    if busy is None:
        return text
    text += f" {short(busy)} ms per frame"
    if period_ms is not None:
        cost, period = short(busy), short(period_ms)
        sign = "=" if cost == period else ">" if busy > period_ms else "<"
        text += f" {sign} {period} ms frame period"
    late = dropped["superseded"] + dropped["stale"]
    if late:
        return f"{text}: {_percent(late / captured)} dropped"
    if stage == "source":
        return f"{text}: the other stages keep up"
    slack = period_ms is not None and short(busy) != short(period_ms) and busy < period_ms
    return f"{text}: keeps up" if slack else text


def short(milliseconds: float) -> str:
    """Two significant digits below 10, whole milliseconds above: `4.1`, `41`."""
    return f"{milliseconds:.0f}" if milliseconds >= 9.95 else f"{milliseconds:.1f}"  # noqa: PLR2004


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %") if share >= 0.005 else "less than 1 %"  # noqa: PLR2004
