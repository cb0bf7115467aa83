"""Convert frames that PyAV decoded to the rate, size and colours of the flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from av.error import BlockingIOError as NeedsMoreError
from av.error import EOFError as EndOfStreamError
from av.filter import Graph
from av.video.frame import VideoFrame

from flowrun.media import colors
from flowrun.spec.flow import SourceSpec

# The filters that ffmpeg inserts for a rotated video, by degrees counterclockwise.
_ROTATIONS = {
    -90: ["transpose=clock"],
    90: ["transpose=cclock"],
    180: ["hflip", "vflip"],
    -180: ["hflip", "vflip"],
}


class Filters:
    """The filters of ffmpeg's decoder, in this process: rate, rotation, size, colours.

    Built anew when the format of the decoded frames changes; the size stays that of the first
    output frame. Used by one thread at a time.
    """

    def __init__(self, spec: SourceSpec, tick: Fraction) -> None:
        """`tick` is the unit of the times of decoded frames, in seconds."""
        self._spec = spec
        self._tick = tick
        self._format: tuple[str, int] | None = None
        self._graph = Graph()
        self._size = spec.size

    def push(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """The output frames that are ready after `frame`, with interleaved pixels and their own
        time bases; after the last frame (`None`) the remaining ones."""
        new = None if frame is None else (_buffer_options(frame), frame.rotation)
        if self._format is not None and new != self._format:
            self._graph.push(None)
            yield from self._pull()
        if frame is not None and new is not None:
            if new != self._format:
                self._graph = self._build(*new)
            self._graph.push(frame)
        self._format = new
        if new is not None:
            yield from self._pull()

    def _pull(self) -> Iterator[VideoFrame]:
        while True:
            try:
                output = self._graph.vpull()
            except (NeedsMoreError, EndOfStreamError):
                return
            self._size = (output.width, output.height)
            yield output

    def _build(self, buffer_options: str, rotation: int) -> Graph:
        spec = self._spec
        return filter_graph(
            [
                f"buffer={buffer_options}:time_base={self._tick}",
                *([f"fps={spec.fps}"] if spec.fps else []),
                *_ROTATIONS.get(rotation, []),
                *colors.to_rgb(self._size),
                # Interleaves the planes, as ffmpeg does when it writes to the pipe.
                *("scale", f"format={colors.PIXEL_FORMATS[spec.color]}", "buffersink"),
            ]
        )


def filter_graph(filters: Sequence[str]) -> Graph:
    """A chain of filters, each as on ffmpeg's command line; ready for frames."""
    graph = Graph()
    parts = [text.partition("=") for text in filters]
    nodes = [graph.add(name, options or None) for name, _, options in parts]
    graph.link_nodes(*nodes).configure()
    return graph


def _buffer_options(frame: VideoFrame) -> str:
    """The format of a decoded frame as options of the `buffer` filter."""
    return (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        f":colorspace={frame.colorspace}:range={frame.color_range}"
    )
