"""What another program may know of a run while it runs."""

from __future__ import annotations

from typing import Protocol

from flowrun.chain.status import Status
from flowrun.frame import Frame, VideoInfo


class Observer(Protocol):
    """`opened` is called once source, model server and sinks are open, `show` with each frame
    before it goes to the sinks, on the thread that delivers it, and `close` at the end."""

    def opened(self, info: VideoInfo) -> None: ...
    def show(self, frame: Frame) -> None: ...
    def close(self) -> None: ...


class Unobserved:
    """The observer of a run that nobody observes."""

    def __init__(self, status: Status) -> None: ...
    def opened(self, info: VideoInfo) -> None: ...
    def show(self, frame: Frame) -> None: ...
    def close(self) -> None: ...
