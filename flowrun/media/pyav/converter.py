"""Convert decoded pictures to the rotation, the size and the colours of the flow, with swscale."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from av.filter import Graph
from av.video.frame import VideoFrame

from flowrun.frame import Image, Picture, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.image.scaling import FILTERS, scaled
from flowrun.media import colors
from flowrun.media.pixel_aspect import WHOLE, Share, Size
from flowrun.media.pyav.filters import buffer_filter, filter_graph
from flowrun.media.pyav.fitting import degrees
from flowrun.media.tone_map import ToneMap
from flowrun.spec.flow import SourceSpec

# The filters that ffmpeg inserts for a rotated video, by degrees counterclockwise.
_ROTATIONS = {
    -90: ["transpose=clock"],
    90: ["transpose=cclock"],
    180: ["hflip", "vflip"],
    -180: ["hflip", "vflip"],
}
_MAX_GRAPHS = 8  # of different sizes and formats that are kept


class Converter:
    """Makes the images of one source. Thread-safe; one image at a time.

    Their size is that of the flow, or else of the first picture after its rotation.
    """

    def __init__(
        self,
        spec: SourceSpec,
        info: VideoInfo,
        *,
        rotation: int | None = None,
        tone_map: ToneMap | None = None,
        buffers: Buffers | None = None,
    ) -> None:
        """`info` has the size of all images, and the colours of frames that declare none.
        `rotation` in degrees counterclockwise; `None`: as each frame says. `buffers` hold the
        images; without memory of theirs, PyAV's does."""
        self._buffers = buffers or Buffers()
        self._pixel_format = colors.PIXEL_FORMATS[spec.color]
        self._info = info
        self._rotation = rotation
        self._tone_map = tone_map
        # The label of a container does not pass the pipe from ffmpeg.
        space = "bt2020nc" if info.tone_mapped else info.color_space
        self._labels = (space, info.color_range)
        self._lock = threading.Lock()
        self._graphs: OrderedDict[tuple[str, int, Size, str, Share], Graph] = OrderedDict()

    def picture(self, frame: VideoFrame, share: Share = WHOLE) -> Picture:
        """The picture of `frame`, which must not change any more. It fills `share` of the image,
        centered; the rest is black."""
        return DecodedPicture(frame, self, (self._info.width, self._info.height), share)

    def image(self, frame: VideoFrame, size: Size, scaling: str, share: Share) -> Image:
        """`frame` in the colours of the flow, scaled to its share of `size` with the flags
        `scaling` of swscale."""
        turn = degrees(frame, self._rotation)
        key = (buffer_filter(frame, labels=self._labels), turn, size, scaling, share)
        with self._lock:
            graph = self._graphs.pop(key, None) or self._build(*key)
            self._graphs[key] = graph
            if len(self._graphs) > _MAX_GRAPHS:
                self._graphs.popitem(last=False)
            graph.push(frame)
            made: Any = graph.vpull().to_ndarray()
            image: Image = self._buffers.copied(made) if scaling == colors.EXACT else made
        image.flags.writeable = False
        return image

    def _build(self, buffer: str, rotation: int, size: Size, scaling: str, share: Share) -> Graph:
        fitted = (max(1, round(size[0] * share[0])), max(1, round(size[1] * share[1])))
        return filter_graph(
            [
                buffer,
                *_ROTATIONS.get(rotation, []),
                *colors.to_rgb(fitted, scaling, self._tone_map.filters if self._tone_map else ()),
                *([] if fitted == size else [colors.bars(size)]),
                # Interleaves the planes, as ffmpeg does when it writes to the pipe.
                *("scale", f"format={self._pixel_format}", "buffersink"),
            ]
        )


class DecodedPicture(Picture):
    """A frame of PyAV. Holds its memory until the image is made, and from then on only that."""

    def __init__(self, frame: VideoFrame, converter: Converter, size: Size, share: Share) -> None:
        self.width, self.height = size
        self._share = share
        self._converter = converter
        self._lock = threading.Lock()
        self._held: VideoFrame | Image = frame

    @property
    def image(self) -> Image:
        with self._lock:
            if isinstance(self._held, VideoFrame):
                size = (self.width, self.height)
                self._held = self._converter.image(self._held, size, colors.EXACT, self._share)
            return self._held

    def scaled(self, size: Size, filter: str) -> Image:  # noqa: A002
        held = self._held
        if isinstance(held, VideoFrame):
            return self._converter.image(held, size, colors.SCALING[filter], self._share)
        return scaled(held, size, FILTERS[filter])
