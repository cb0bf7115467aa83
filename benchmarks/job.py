"""What one measured client is asked to do, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """Every frame of the recording `clip` to the server and from there into the mpeg4 file `out`.

    `address` is where the server of the way listens; `window` is how many frames may be at the
    server. `true_colors`: the pixels are converted as exactly as flowrun does it, and not as ffmpeg
    does it unasked. `source`, `transport` and `sink` hold further keys of those of the flow.
    """

    clip: str
    out: str
    width: int
    height: int
    frames: int
    address: str
    window: int = 4
    true_colors: bool = False
    source: dict[str, Any] = field(default_factory=dict)
    transport: dict[str, Any] = field(default_factory=dict)
    sink: dict[str, Any] = field(default_factory=dict)

    @property
    def frame_bytes(self) -> int:
        return self.width * self.height * 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """`latencies` are the milliseconds from a decoded frame to its having been written: the median
    and what 95 of 100 do not exceed."""

    frames: int
    latencies: tuple[float, float]


def outcome(seconds: list[float]) -> Outcome:
    """Of the latency of each frame."""
    ordered = sorted(seconds)
    points = (ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.95))
    p50, p95 = points
    return Outcome(len(ordered), (p50, p95))
