"""The job of one measured client, and what it records. Imports nothing of flowrun: the loop by hand
may run in an environment of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

SIZE = (640, 360)  # width and height of the model's input
THRESHOLD = 0.3  # of a detection


@dataclass(frozen=True, slots=True)
class Job:
    """Show the newest picture of the camera `url` to `model` at `address`, one request in flight.

    `decoder` is that of flowrun. `retrieve` is for the loop by hand: see `by_hand`.
    """

    url: str
    address: str
    model: str
    decoder: str = "auto"
    retrieve: str = "ahead"


@dataclass(frozen=True, slots=True)
class Record:
    """Times are those of `time.monotonic()`, which all processes of a machine share.

    `decoded` has the time of each decoded frame (flowrun: when its fate is decided), `analysed`
    the time of each result and the seconds since its frame was decoded.
    """

    decoded: list[float] = field(default_factory=list)
    analysed: list[tuple[float, float]] = field(default_factory=list)

    def add(self, seconds: float) -> None:
        """A result has arrived, `seconds` after its frame was decoded."""
        self.analysed.append((time.monotonic(), seconds))
        if len(self.analysed) == 1:
            print("started", flush=True)
