"""Run filters of libavfilter in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from av.error import BlockingIOError as NeedsMoreError
from av.error import EOFError as EndOfStreamError
from av.filter import Graph
from av.video.frame import VideoFrame

Labels = tuple[str | None, str | None]  # in ffmpeg's names
_UNSPECIFIED = 2  # the matrix, as in ITU-T H.273


class RateFilter:
    """Repeat and drop decoded frames for a constant rate, as ffmpeg's `fps` filter does.

    Built anew when the format of the frames changes. Used by one thread at a time.
    """

    def __init__(self, fps: float, tick: Fraction) -> None:
        """`tick` is the unit of the times of decoded frames, in seconds."""
        self._filters = [f"fps={fps}", "buffersink"]
        self._tick = tick
        self._buffer: str | None = None
        self._graph = Graph()

    def push(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """The frames that are ready after `frame`, with times in the filter's own unit; after the
        last frame (`None`) the remaining ones."""
        new = None if frame is None else buffer_filter(frame, self._tick)
        if self._buffer is not None and new != self._buffer:
            self._graph.push(None)
            yield from self._pull()
        if frame is not None and new is not None:
            if new != self._buffer:
                self._graph = filter_graph([new, *self._filters])
            self._graph.push(frame)
        self._buffer = new
        if new is not None:
            yield from self._pull()

    def _pull(self) -> Iterator[VideoFrame]:
        while True:
            try:
                yield self._graph.vpull()
            except (NeedsMoreError, EndOfStreamError):
                return


def filter_graph(filters: Sequence[str]) -> Graph:
    """A chain of filters, each as on ffmpeg's command line; ready for frames."""
    graph = Graph()
    parts = [text.partition("=") for text in filters]
    nodes = [graph.add(name, options or None) for name, _, options in parts]
    graph.link_nodes(*nodes).configure()
    return graph


def buffer_filter(
    frame: VideoFrame, tick: Fraction = Fraction(1, 1000), labels: Labels = (None, None)
) -> str:
    """The filter that a graph for frames like `frame` begins with; `tick` is the unit of their
    times in seconds. `labels` are the matrix and range of frames that declare none."""
    space: str | int = frame.colorspace
    wide: str | int = frame.color_range
    if not frame.format.is_rgb:
        space = labels[0] if space == _UNSPECIFIED and labels[0] else space
        wide = wide or labels[1] or wide
    return (
        f"buffer=video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        f":colorspace={space}:range={wide}:time_base={tick}"
    )
