"""Draw the number and the time of the frame into a corner."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from flowrun.frame import Frame
from flowrun.hooks.support import options
from flowrun.hooks.support.drawing import CORNERS, draw_panel
from flowrun.inference import Result


class draw_clock:
    """Draw the number of a frame and its presentation time (h:mm:ss.mmm) on a copy of its image;
    with `wall`, also the local date and time at which it was captured.

    `corner` is top-left, top-right, bottom-left or bottom-right.
    """

    reads_outputs = ()

    def __init__(self, corner: str = "top-right", wall: bool = False) -> None:
        self._corner = options.choice("corner", corner, CORNERS)
        self._wall = options.boolean("wall", wall)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        lines = [f"#{frame.index} {clock_time(frame.time)}"]
        if self._wall:
            lines.append(time_of_day(frame, datetime.now(), time.monotonic()))
        image = frame.image.copy()
        draw_panel(image, lines, self._corner)
        return frame.with_image(image)


def time_of_day(frame: Frame, now: datetime, clock: float) -> str:
    """The date and time at which `frame` was captured. `now` and `clock` are the same moment as
    wall-clock time and on the clock of `Frame.captured`."""
    return f"{now - timedelta(seconds=clock - frame.captured):%Y-%m-%d %H:%M:%S}"


def clock_time(seconds: float) -> str:
    """`1:02:03.004`; hours do not wrap, and a time before 0 has a minus sign."""
    minutes, millis = divmod(abs(round(seconds * 1000)), 60_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if round(seconds * 1000) < 0 else ""
    return f"{sign}{hours}:{minutes:02d}:{millis // 1000:02d}.{millis % 1000:03d}"
