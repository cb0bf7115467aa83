"""Show frames in a window on this machine's screen."""

from __future__ import annotations

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media import pixel_aspect
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.placeholder import OutagePlaceholder
from flowrun.spec.flow import SinkSpec

_ALTERNATIVES = "other ways to watch: `sink: out.mp4`, `sink: rtsp://localhost:8554/name`"


class ScreenSink:
    """Show every frame in a window titled with the flow's name; q, Escape or closing the window
    stops the run.

    The first frame opens the window in its own size, in square pixels, or smaller if the display
    is; a frame of another size is scaled to fit. While the source is unavailable the window shows a
    placeholder. After the stop it shows further frames until `close`. Everything but `abort`
    belongs on the main thread, including `__init__`, which raises `SinkError` without a display or
    pygame-ce. Keeps one image.
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
                hint=f"pip install pygame-ce; {_ALTERNATIVES}",
            ) from error
        self._context = context
        self._aspect = context.info.pixel_aspect  # of the last frame
        self._window = Window(context.name, context.color, context.key, _ALTERNATIVES)
        self._placeholder = OutagePlaceholder(context)
        self._stopped = self._aborted = False

    def write(self, frame: Frame) -> None:
        self._check()
        self._aspect = pixel_aspect.of_frame(frame, self._context.info)
        self._window.show(frame.image, self._aspect)
        self._placeholder.frame_shown(frame)

    def tick(self) -> None:
        self._check()
        if self._window.close_requested() and not self._stopped:
            self._stopped = True
            self._context.stop()
        if (image := self._placeholder.due()) is not None:
            self._window.show(image, self._aspect)

    def close(self) -> None:
        self._window.close()

    def abort(self) -> None:
        self._aborted = True

    def _check(self) -> None:
        if self._aborted:
            raise SinkError("the screen sink was aborted", key=self._context.key)
