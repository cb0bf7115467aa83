"""The job of one measured client, and its outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """Send every frame of the recording `clip` to the server, the results to the mpeg4 file `out`.

    `address` is that of the server; `window` is the number of frames in flight. `true_colors`: the
    pixels are converted as exactly as in flowrun, not with the defaults of ffmpeg. `source`,
    `transport` and `sink` hold further keys of the flow.
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
    """`latencies` are the median and the 95th percentile of the milliseconds from the decoded frame
    until it is written."""

    frames: int
    latencies: tuple[float, float]


def outcome(seconds: list[float]) -> Outcome:
    """The outcome of frames with these latencies."""
    ordered = sorted(seconds)
    points = (ordered[int(share * (len(ordered) - 1))] * 1000 for share in (0.5, 0.95))
    p50, p95 = points
    return Outcome(len(ordered), (p50, p95))
