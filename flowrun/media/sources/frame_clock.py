"""Give the frames of all sessions of a source their times on one time line."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from flowrun.frame import Frame, VideoInfo
from flowrun.media import clock_jumps
from flowrun.media.sources.pacer import Pacer, Wait
from flowrun.media.sources.timeline import LiveTimeline

_REBUFFER = 1.0  # seconds by which a frame of a bursty source may be late before later ones wait


class FrameClock:
    """A recording's times are counted from its first frame, a live source's from the first frame of
    its first session. A live source whose frames arrive in bursts is paced by its own times."""

    def __init__(
        self, uri: str, stopped: threading.Event, clock: Callable[[], float], wait: Wait
    ) -> None:
        """A wait ends when `stopped` is set."""
        self._pacer = partial(Pacer, stopped, rebuffer=_REBUFFER, clock=clock, wait=wait)
        self._live = LiveTimeline(partial(clock_jumps.warn, uri))

    def begin(self, info: VideoInfo) -> Callable[[Frame], tuple[float, float] | None]:
        """Begin a session. The function that is returned gives the time of each of its frames, and
        when it was captured; `None` if it was stopped."""
        if not info.live:
            return _recorded()
        self._live.renew()
        if info.timing != "bursts":
            return lambda frame: (self._live.at(frame.time, frame.captured), frame.captured)
        pacer = self._pacer()

        def paced(frame: Frame) -> tuple[float, float] | None:
            due = pacer.wait(frame.time)
            return None if due is None else (self._live.at(frame.time, due), due)

        return paced


def _recorded() -> Callable[[Frame], tuple[float, float]]:
    start: float | None = None

    def counted(frame: Frame) -> tuple[float, float]:
        nonlocal start
        start = frame.time if start is None else start
        nanoseconds = round((frame.time - start) * 1e9)  # whole ones, as 1.44 - 1.4 is not 0.04
        return nanoseconds / 1e9, frame.captured

    return counted
