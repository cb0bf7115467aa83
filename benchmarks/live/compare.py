"""Compare the ways of the case *live camera*, as numbers and as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.live.cases import BY_HAND, CAMERAS, QUICK, WAYS
from benchmarks.live.measure import Measured, Times, rounds
from benchmarks.live.site import OPENCV_PYTHON, missing, opencv_python, site
from benchmarks.table import ratio, spread

_HEAD = """\
| | cores a camera | analysed fps | decoded fps | latency p50 / p95 ms | memory MiB\
 | cores ÷ by hand | fps ÷ by hand | memory ÷ by hand |
|---|---|---|---|---|---|---|---|---|"""


def everything(folder: Path, count: int, *, quick: bool) -> dict[str, Any]:
    """The rows of every set of cameras by its name, and what was skipped, with the reason."""
    if why := missing():
        return {"cameras": {}, "skipped": {"live camera": why}}
    without = skipped()
    ways = {name: way for name, way in WAYS.items() if name not in without}
    times = Times(0.2, 1.0) if quick else Times(3.0, 8.0)
    found = {}
    for cameras in QUICK if quick else CAMERAS:
        with site(cameras, folder) as running:
            found[cameras.name] = rows(rounds(ways, running, times, count))
    return {"cameras": found, "skipped": without}


def skipped() -> dict[str, str]:
    """The ways whose Python is missing, with the reason."""
    if opencv_python():
        return {}
    why = f"{OPENCV_PYTHON} names no Python that has OpenCV and tritonclient"
    return {name: why for name, way in WAYS.items() if way.module == "by_hand"}


def rows(found: Mapping[str, Sequence[Measured]]) -> list[dict[str, Any]]:
    """One row per way: medians over the rounds, and ratios, each the median of the ratios within
    one round, with the smallest and the largest."""
    columns = ("cores", "fps", "decoded_fps", "p50_ms", "p95_ms", "memory_bytes")
    return [
        {
            "way": name,
            **{key: median(getattr(each, key) for each in measured) for key in columns},
            **{
                f"{key}_by_hand": ratio(
                    [getattr(each, key) for each in measured], found, BY_HAND, key
                )
                for key in ("cores", "fps", "memory_bytes")
            },
        }
        for name, measured in found.items()
    ]


def text(found: Mapping[str, Any]) -> str:
    """Format what `everything` returns as tables in Markdown."""
    parts = [f"{name}: skipped, {why}" for name, why in found["skipped"].items()]
    for cameras, table in found["cameras"].items():
        lines = [_line(row) for row in table]
        parts.append("\n".join([f"live camera, {cameras} at 30 fps\n", _HEAD, *lines]))
    return "\n\n".join(parts)


def _line(row: Mapping[str, Any]) -> str:
    cells = [
        row["way"],
        f"{row['cores']:.2f}",
        f"{row['fps']:.1f}",
        f"{row['decoded_fps']:.1f}",
        f"{row['p50_ms']:.0f} / {row['p95_ms']:.0f}",
        f"{row['memory_bytes'] / 2**20:.0f}",
        *(spread(row[f"{key}_by_hand"]) for key in ("cores", "fps", "memory_bytes")),
    ]
    return f"| {' | '.join(cells)} |"
