"""A video file that PyAV writes, one picture after the other."""

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
from flowrun.media.pyav.filters import chain

if av.library_versions["libavformat"] < (62, 12):
    raise ImportError(
        f"version {av.__version__} writes MP4 files that cannot be played,"
        " 17.1 is the first that does not"
    )

_BEHIND = 256  # bytes behind a picture that libswscale may read; it was seen to read 48
_TOLERANCE = 4_000_000  # bits per second, libavcodec's own
_NO_RATE = Fraction(10**9)  # frames per second, as of a stream whose frames come when they come


class Output:
    """Pictures of one `size` (width, height) and form (`rgb24`, `bgr24`) into a new file `target`.

    Used by one thread at a time. Whatever PyAV has against it, it raises; the processor is used
    without Python's lock, and so is the disk, but for the head and the end of the file.
    """

    def __init__(self, how: Encoding, size: tuple[int, int], form: str, target: Path) -> None:
        self._form, self._tick = form, how.tick
        # A new stream has a bit rate, a frame rate and threads that are PyAV's idea of them.
        usual = CodecContext.create(how.codec, "w")
        if usual.type != "video":
            raise ValueError(f"Invalid encoder type '{how.codec}'")
        self._file = av.open(f"file:{target}", "w", container_options=how.muxing)
        stream = self._file.add_stream(
            how.codec,
            rate=how.rate or _NO_RATE,
            width=size[0],
            height=size[1],
            time_base=how.tick,
            bit_rate=usual.bit_rate or 0,
            bit_rate_tolerance=_TOLERANCE,
        )
        self._stream = cast(VideoStream, stream)
        codec = self._stream.codec_context
        codec.flags |= Flags.frame_duration
        codec.thread_type = "AUTO"
        codec.pix_fmt = how.pixels
        codec.options = dict(how.options)
        codec.open()
        shape = f"video_size={size[0]}x{size[1]}:pix_fmt={form}:time_base={how.tick}"
        self._filters = chain([f"buffer={shape}", *how.filters, "buffersink"])

    def write(self, image: Image, at: int, duration: int) -> None:
        """Times are in ticks of the encoding. The image must stay as it is until this returns."""
        picture = _wrapped(image, self._form)
        picture.pts, picture.duration, picture.time_base = at, duration, self._tick
        self._filters.push(picture)
        self._file.mux(self._stream.encode(self._filters.vpull()))

    def finish(self) -> Iterator[None]:
        """Write what the encoder still has, stopping for a breath after each packet."""
        for packet in self._rest():
            self._file.mux(packet)
            yield

    def close(self) -> None:
        """Write the end of the file, so that it is whole with what it has. Once."""
        self._file.close()

    def _rest(self) -> Iterator[Packet[VideoStream]]:
        for packet in self._stream.codec_context.encode_lazy(None):
            packet.stream = self._stream
            yield packet


def _wrapped(image: Image, form: str) -> VideoFrame:
    """The image's own memory as a frame; a copy where its lines do not follow one another, and
    where the memory behind it may not be ours to read: protection ends with a page."""
    image = np.ascontiguousarray(image)
    last = image.ctypes.data + image.nbytes - 1
    if last // mmap.PAGESIZE == (last + _BEHIND) // mmap.PAGESIZE:
        return VideoFrame.from_numpy_buffer(image, form)
    return VideoFrame.from_ndarray(image, form)
