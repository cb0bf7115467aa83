"""Write a video file with PyAV, one frame at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.codec.context import CodecContext, Flags
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flowrun.frame import Image
from flowrun.media.encoding import Encoding
from flowrun.media.pyav.filters import filter_graph
from flowrun.system.scheduling import normal_threads

if av.library_versions["libavformat"] < (62, 12):
    raise ImportError(
        f"version {av.__version__} writes MP4 files that cannot be played,"
        " 17.1 is the first that does not"
    )

_OVERREAD = 256  # bytes after an image that libswscale may read; 48 were observed
_TOLERANCE = 4_000_000  # bits per second, libavcodec's default
_NO_RATE = Fraction(10**9)  # frames per second, for a stream of variable rate


class OutputContainer:
    """A new file `target` with frames of one `size` (width, height) in `pixel_format` (`rgb24`,
    `bgr24`).

    Used by one thread at a time. Raises PyAV's errors. The processor is used without Python's lock,
    and so is the disk, except for the header and the trailer of the file.
    """

    def __init__(
        self, encoding: Encoding, size: tuple[int, int], pixel_format: str, target: Path
    ) -> None:
        self._pixel_format, self._tick = pixel_format, encoding.tick
        # PyAV gives a new stream a bit rate, a frame rate and threads of its own choice.
        defaults = CodecContext.create(encoding.codec, "w")
        if defaults.type != "video":
            raise ValueError(f"Invalid encoder type '{encoding.codec}'")
        self._file = av.open(f"file:{target}", "w", container_options=encoding.container_options)
        stream = self._file.add_stream(
            encoding.codec,
            rate=encoding.frame_rate or _NO_RATE,
            width=size[0],
            height=size[1],
            time_base=encoding.tick,
            bit_rate=defaults.bit_rate or 0,
            bit_rate_tolerance=_TOLERANCE,
        )
        self._stream = cast(VideoStream, stream)
        codec = self._stream.codec_context
        codec.flags |= Flags.frame_duration
        codec.thread_type = "AUTO"
        codec.pix_fmt = encoding.pixel_format
        codec.sample_aspect_ratio = encoding.pixel_aspect
        codec.options = dict(encoding.codec_options)
        with normal_threads():
            codec.open()
        shape = f"video_size={size[0]}x{size[1]}:pix_fmt={pixel_format}:time_base={encoding.tick}"
        self._filters = filter_graph([f"buffer={shape}", *encoding.filters, "buffersink"])

    def write(self, image: Image, pts: int, duration: int) -> None:
        """Encode one frame. Times are in ticks of the encoding. The image must not change until
        this returns."""
        frame = _wrap(image, self._pixel_format)
        frame.pts, frame.duration, frame.time_base = pts, duration, self._tick
        self._filters.push(frame)
        self._file.mux(self._stream.encode(self._filters.vpull()))

    def flush(self) -> Iterator[None]:
        """Write the packets that the encoder still holds, one per step."""
        for packet in self._remaining_packets():
            self._file.mux(packet)
            yield

    def close(self) -> None:
        """Write the trailer, so that the file is complete with the packets it has. Once."""
        self._file.close()

    def _remaining_packets(self) -> Iterator[Packet[VideoStream]]:
        for packet in self._stream.codec_context.encode_lazy(None):
            packet.stream = self._stream
            yield packet


def _wrap(image: Image, pixel_format: str) -> VideoFrame:
    """The memory of the image as a frame. A copy where its rows are not contiguous, and where the
    bytes after it may lie in a page that cannot be read."""
    image = np.ascontiguousarray(image)
    last = image.ctypes.data + image.nbytes - 1
    if last // mmap.PAGESIZE == (last + _OVERREAD) // mmap.PAGESIZE:
        return VideoFrame.from_numpy_buffer(image, pixel_format)
    return VideoFrame.from_ndarray(image, pixel_format)
