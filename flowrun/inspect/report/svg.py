"""Draw plots as SVG text in the colors of the page; nothing is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDE, NARROW = 860, 340  # of a plot, in SVG units: for a screen and for a phone
_LEFT, _RIGHT = 56, 24


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each column, drawn in the color of the CSS class `color`."""

    label: str
    color: str
    values: Sequence[float]


def both(draw: Callable[[int], str]) -> str:
    """A plot as `draw` makes it for each width; the page shows the one that fits, so that its text
    is legible."""
    return draw(WIDE) + draw(NARROW)


def share_bar(parts: Sequence[tuple[str, str, float]], across: int) -> str:
    """One bar with a part for each (label, color, number), as long as its number."""
    total, at, drawn = sum(number for *_, number in parts) or 1.0, 0.0, []
    for label, color, number in parts:
        width = number / total * across
        if number:
            tip = f"{label}: {number:,g} ({percent(number / total)})"
            drawn.append(_box(at, 0, max(width, 1.0), 26, color, tip))
        at += width
    return _svg(across, 26, drawn)


def ranges(
    rows: Sequence[tuple[str, str, Mapping[str, float | None]]], unit: str, across: int
) -> str:
    """A row for each (label, color, percentiles): a dark bar up to p50, a light one up to p95, a
    line up to p99, and a point at the maximum."""
    most = max((points["max"] or 0.0 for *_, points in rows), default=0.0)
    ticks = steps(most)
    left, right, height, row = 110, 40, 30 * len(rows), 30
    if across == NARROW:
        left, right = 92, 20

    def x(value: float | None) -> float:
        return left + (value or 0.0) / ticks[-1] * (across - left - right)

    drawn = [_tick_down(x(tick), height, f"{tick:g}") for tick in _fewer(ticks, across)]
    for number, (label, color, points) in enumerate(rows):
        y = number * row
        drawn.append(_text(left - 10, y + 19, label, "end", "label"))
        if points["max"] is None:
            drawn.append(_text(left + 6, y + 19, "not measured", "start", "tick"))
            continue
        tip = f"{label}: " + ", ".join(f"{name} {points[name]} {unit}" for name in points)
        at = {name: x(points[name]) for name in ("p50", "p95", "p99", "max")}
        drawn.append(
            f'<g class="{color}"><title>{escape(tip)}</title>'
            f'<rect x="{left}" y="{y}" width="{across - left}" height="{row}" fill="transparent"/>'
            f'<g opacity=".4">{_bar(left, y + 8, at["p95"])}</g>'
            f"{_bar(left, y + 8, at['p50'])}"
            f'<path d="M{_n(at["p95"])} {y + 15}H{_n(at["p99"])}" stroke-width="2"/>'
            f'<circle cx="{_n(at["max"])}" cy="{y + 15}" r="3"/></g>'
        )
    return _svg(across, height + 22, drawn)


def stacked(
    times: Sequence[float],
    width: float,
    series: Sequence[Series],
    unit: str,
    line: Series | None,
    across: int,
) -> str:
    """Columns of `width` seconds at `times`, the `series` on top of each other, `line` across."""
    height = 200
    tops = [sum(values) for values in zip(*(each.values for each in series), strict=True)]
    ticks = steps(max([*tops, *(line.values if line else ())], default=0.0))
    start, end = min(times), max(times) + width

    def x(time: float) -> float:
        return _LEFT + (time - start) / (end - start) * (across - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return 10 + height - value / ticks[-1] * height

    drawn = [_tick_across(y(tick), f"{tick:g}", across) for tick in ticks]
    drawn += [
        _text(x(tick), height + 28, clock(tick), "middle", "tick")
        for tick in _fewer(_times(start, end), across)
    ]
    floor = [0.0] * len(times)
    for each in series:
        for number, (time, value) in enumerate(zip(times, each.values, strict=True)):
            if value:
                tip = f"{clock(time)}: {each.label} {value:.3g} {unit}"
                top = y(floor[number] + value)
                span = x(time + width) - x(time)
                below = y(floor[number]) - top
                drawn.append(_box(x(time), top, max(span - 0.5, 0.5), below, each.color, tip))
                floor[number] += value
    if line is not None:
        points = " ".join(
            f"{_n(x(time + width / 2))},{_n(y(value))}"
            for time, value in zip(times, line.values, strict=True)
        )
        drawn.append(f'<polyline class="{line.color}" points="{points}"/>')
    return _svg(across, height + 36, drawn)


def steps(most: float) -> list[float]:
    """Three to seven round numbers from 0 to at least `most`."""
    if most <= 0:
        return [0.0, 1.0]
    size = 10 ** math.floor(math.log10(most / 4))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor * 6 >= most)
    return [round(step * number, 10) for number in range(math.ceil(round(most / step, 6)) + 1)]


def percent(share: float) -> str:
    return f"{share * 100:.1f} %"


def clock(seconds: float) -> str:
    """`90.5 s`, or `2:05:09` from ten minutes on."""
    whole = math.floor(seconds)
    if abs(seconds) < 600:  # noqa: PLR2004
        return f"{seconds:g} s"
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _fewer(ticks: Sequence[float], across: int) -> Sequence[float]:
    """Those of the `ticks` whose texts have space side by side."""
    return ticks[::2] if across == NARROW else ticks


def _times(start: float, end: float) -> Sequence[float]:
    step = steps(end - start)[1]
    first = math.ceil(start / step)
    return [number * step for number in range(first, math.floor(end / step) + 1)]


def _svg(across: int, height: float, drawn: Iterable[str]) -> str:
    name = "narrow" if across == NARROW else "wide"
    box = f'viewBox="0 0 {across} {_n(height)}"'
    return f'<svg class="{name}" {box} role="img">{"".join(drawn)}</svg>'


def _box(x: float, y: float, width: float, height: float, color: str, tip: str) -> str:
    return (
        f'<rect class="{color}" x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}">'
        f"<title>{escape(tip)}</title></rect>"
    )


def _bar(x: float, y: float, end: float) -> str:
    return f'<rect x="{x}" y="{y}" width="{_n(end - x)}" height="14"/>'


def _tick_across(y: float, text: str, across: int) -> str:
    line = f'<path class="grid" d="M{_LEFT} {_n(y)}H{across - _RIGHT}"/>'
    return line + _text(_LEFT - 8, y + 4, text, "end", "tick")


def _tick_down(x: float, height: float, text: str) -> str:
    line = f'<path class="grid" d="M{_n(x)} 0V{_n(height)}"/>'
    return line + _text(x, height + 16, text, "middle", "tick")


def _text(x: float, y: float, text: str, anchor: str, name: str) -> str:
    return (
        f'<text class="{name}" x="{_n(x)}" y="{_n(y)}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
