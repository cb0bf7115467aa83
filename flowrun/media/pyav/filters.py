"""What PyAV decodes as pictures in the colours and the size of the flow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from av.error import BlockingIOError as NeedsMoreError
from av.error import EOFError as OverError
from av.filter import Graph
from av.video.frame import VideoFrame

from flowrun.media.ffmpeg import commands
from flowrun.spec.flow import SourceSpec

# By degrees counterclockwise, what ffmpeg does with the pictures of a telephone that was held so.
_TURNS = {
    -90: ["transpose=clock"],
    90: ["transpose=cclock"],
    180: ["hflip", "vflip"],
    -180: ["hflip", "vflip"],
}


class Filters:
    """The filters that ffmpeg's decoder has, in this process: rate, rotation, size, colours.

    Made anew when what is decoded changes its form; the size of the pictures stays that of the
    first one. Used by one thread at a time.
    """

    def __init__(self, spec: SourceSpec, tick: Fraction) -> None:
        """`tick` is the unit of the times of what is decoded, in seconds."""
        self._spec = spec
        self._tick = tick
        self._form: tuple[str, int] | None = None
        self._graph = Graph()
        self._size = spec.size

    def push(self, frame: VideoFrame | None) -> Iterator[VideoFrame]:
        """Those that are ready once `frame` is there, packed, with their own time bases; after the
        last one (`None`) what is left."""
        form = None if frame is None else (_described(frame), frame.rotation)
        if self._form is not None and form != self._form:
            self._graph.push(None)
            yield from self._ready()
        if frame is not None and form is not None:
            if form != self._form:
                self._graph = self._made(*form)
            self._graph.push(frame)
        self._form = form
        if form is not None:
            yield from self._ready()

    def _ready(self) -> Iterator[VideoFrame]:
        while True:
            try:
                picture = self._graph.vpull()
            except (NeedsMoreError, OverError):
                return
            self._size = (picture.width, picture.height)
            yield picture

    def _made(self, described: str, turned: int) -> Graph:
        spec = self._spec
        names = [
            f"buffer={described}:time_base={self._tick}",
            *([f"fps={spec.fps}"] if spec.fps else []),
            *_TURNS.get(turned, []),
            *commands.pictures(self._size),
            # The planes are taken together here, where the copy out of a pipe would have been.
            *("scale", f"format={commands.PIXELS[spec.color]}", "buffersink"),
        ]
        return chain(names)


def chain(names: Sequence[str]) -> Graph:
    """Filters one after the other, each as on ffmpeg's command line; ready for frames."""
    graph = Graph()
    parts = [name.partition("=") for name in names]
    filters = [graph.add(name, options or None) for name, _, options in parts]
    graph.link_nodes(*filters).configure()
    return graph


def _described(frame: VideoFrame) -> str:
    """The form of a decoded frame as the filters want to know it."""
    return (
        f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
        f":colorspace={frame.colorspace}:range={frame.color_range}"
    )
