"""Draw line plots as SVG, without a plotting library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _GAP = 300, 200, 56, 28, 64, 24
_COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd")


@dataclass(frozen=True, slots=True)
class Plot:
    """`lines` by name, each with one value for each of `points`; the axis starts at 0."""

    title: str
    points: Sequence[str]
    lines: Mapping[str, Sequence[float]]


def svg(plots: Sequence[Sequence[Plot]]) -> str:
    """Draw rows of plots."""
    wide = max(len(row) for row in plots) * (_LEFT + _WIDTH + _GAP)
    high = len(plots) * (_TOP + _HEIGHT + _BOTTOM)
    drawn = [
        f'<g transform="translate({column * (_LEFT + _WIDTH + _GAP) + _LEFT},'
        f'{line * (_TOP + _HEIGHT + _BOTTOM) + _TOP})">{_drawn(plot)}</g>'
        for line, row in enumerate(plots)
        for column, plot in enumerate(row)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
        'font-family="sans-serif" font-size="11">'
        f'<rect width="{wide}" height="{high}" fill="white"/>{"".join(drawn)}</svg>\n'
    )


def _drawn(plot: Plot) -> str:
    top = max(max(values) for values in plot.lines.values()) * 1.1 or 1.0
    step = _WIDTH / max(1, len(plot.points) - 1)
    parts = [f'<text x="0" y="-10" font-weight="bold">{escape(plot.title)}</text>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _HEIGHT * (1 - share)
        parts.append(f'<line x2="{_WIDTH}" y1="{y:g}" y2="{y:g}" stroke="#ddd"/>')
        parts.append(f'<text x="-6" y="{y + 4:g}" text-anchor="end">{top * share:.3g}</text>')
    for number, point in enumerate(plot.points):
        x = f"{number * step:.1f}"
        parts.append(
            f'<text x="{x}" y="{_HEIGHT + 16}" text-anchor="middle">{escape(point)}</text>'
        )
    for number, (name, values) in enumerate(plot.lines.items()):
        color = _COLORS[number % len(_COLORS)]
        dots = [(n * step, _HEIGHT * (1 - value / top)) for n, value in enumerate(values)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in dots]
        legend = f'x="{number * 100}" y="{_HEIGHT + 34}"'
        parts.append(f'<text {legend} fill="{color}">{escape(name)}</text>')
    return "".join(parts)
