"""Decode JPEG pictures with PyAV."""

from __future__ import annotations

from av.codec.context import CodecContext
from av.error import FFmpegError
from av.packet import Packet

from flowrun.frame import Picture, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.media.pyav.converter import Converter
from flowrun.media.pyav.error_text import error_text
from flowrun.media.pyav.fitting import turned
from flowrun.spec.flow import SourceSpec


class JpegPictures:
    """The pictures of one source. All have the size of the flow, or else of the first one."""

    def __init__(self, spec: SourceSpec, buffers: Buffers) -> None:
        self._spec = spec
        self._buffers = buffers
        self._codec = CodecContext.create("mjpeg", "r")
        self._codec.thread_type = "SLICE"  # threads for whole frames would each keep some
        self._converter: Converter | None = None

    def __call__(self, data: bytes) -> Picture:
        """Decode one file. Raises `ValueError`."""
        try:
            frames = self._codec.decode(Packet(data))
        except FFmpegError as error:
            raise ValueError(error_text(error)) from error
        if not frames:
            raise ValueError("there is no picture in the response")
        frame = frames[0]
        if self._converter is None:
            size = self._spec.size or turned(frame, None)
            self._converter = Converter(self._spec, VideoInfo(*size), buffers=self._buffers)
        return self._converter.picture(frame)
