"""A window on this machine's screen."""

from __future__ import annotations

from datetime import datetime

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.placeholder import placeholder
from flowrun.spec.flow import SinkSpec

_INSTEAD = "other ways to look: `sink: out.mp4`, `sink: rtsp://localhost:8554/name`"


class ScreenSink:
    """Shows every frame in a window that bears the flow's name; q, Escape or closing the window
    stops the run.

    The first frame opens the window in its own size, or smaller if the display is; a frame of
    another size is fitted in. While the source is away the window says so. After the stop it goes
    on showing frames until `close`. Everything but `abort` belongs on the main thread, making it
    included, which raises `SinkError` without a display or pygame-ce. Keeps one picture.
    """

    every = 0.05
    repeated = 0
    reconnects = 0

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        try:
            from flowrun.media.sinks.pygame_window import Window
        except ImportError as error:
            raise SinkError(
                f"the screen needs pygame-ce, which cannot be imported: {error}",
                key=context.key,
                hint=f"pip install pygame-ce; {_INSTEAD}",
            ) from error
        self._context = context
        self._window = Window(context.name, context.color, context.key, _INSTEAD)
        self._size = (context.info.width, context.info.height)
        self._away: datetime | None = None  # what the window says; `None` while it shows a frame
        self._stopped = self._aborted = False

    def write(self, frame: Frame) -> None:
        self._check()
        self._window.show(frame.image)
        self._size, self._away = (frame.width, frame.height), None

    def tick(self) -> None:
        self._check()
        if self._window.asked_to_close() and not self._stopped:
            self._stopped = True
            self._context.stop()
        since = self._context.unavailable_since()
        if since is not None and since != self._away:
            self._window.show(placeholder(self._size, since))
            self._away = since

    def close(self) -> None:
        self._window.close()

    def abort(self) -> None:
        self._aborted = True

    def _check(self) -> None:
        if self._aborted:
            raise SinkError("the screen sink was aborted", key=self._context.key)
