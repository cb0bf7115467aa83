"""Tables of the figures, as numbers and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.cases import FLOOR, demo_of
from benchmarks.measure import Measured

Found = Mapping[str, Sequence[Measured]]
Row = dict[str, Any]


def rows(found: Found) -> list[Row]:
    """One row per case: medians over the rounds, and ratios, each the median of the ratios within
    one round, with the smallest and the largest."""
    return [
        {
            "case": name,
            "fps": median(each.fps for each in rounds),
            "cpu_ms": median(each.cpu_ms for each in rounds),
            "ffmpeg_cpu_ms": median(each.ffmpeg_ms for each in rounds),
            "p50_ms": median(each.p50_ms for each in rounds),
            "p95_ms": median(each.p95_ms for each in rounds),
            "cpu_by_floor": ratio([each.cpu_ms for each in rounds], found, FLOOR, "cpu_ms"),
            "fps_by_floor": ratio([each.fps for each in rounds], found, FLOOR, "fps"),
            "fps_by_demo": ratio([each.fps for each in rounds], found, demo_of(name), "fps"),
        }
        for name, rounds in found.items()
    ]


def ratio(
    values: Sequence[float], found: Mapping[str, Sequence[object]], by: str, what: str
) -> list[float] | None:
    """Median, smallest and largest ratio; `None` without a case to divide by."""
    if by not in found:
        return None
    ratios = [value / getattr(each, what) for value, each in zip(values, found[by], strict=True)]
    return [median(ratios), min(ratios), max(ratios)]


def text(found: Sequence[Row]) -> str:
    """Format the rows as a table in Markdown."""
    lines = [
        "| | fps | client CPU ms | ffmpeg CPU ms | latency p50 / p95 ms | CPU ÷ floor | fps ÷ floor"
        " | fps ÷ demo |",
        "|---|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['case']} | {row['fps']:.1f} | {row['cpu_ms']:.1f} | {row['ffmpeg_cpu_ms']:.1f}"
        f" | {row['p50_ms']:.0f} / {row['p95_ms']:.0f} | {spread(row['cpu_by_floor'])}"
        f" | {spread(row['fps_by_floor'])} | {spread(row['fps_by_demo'])} |"
        for row in found
    ]
    return "\n".join(lines)


def spread(values: Sequence[float] | None) -> str:
    """Format what `ratio` returns."""
    if values is None:
        return "-"
    middle, least, most = values
    return f"{middle:.2f} ({least:.2f}–{most:.2f})"  # noqa: RUF001 # a range, in print
