"""Decode the frames of anything that ffmpeg opens, in a process of its own."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from flowrun.errors import SourceError
from flowrun.frame import Frame, Image, VideoInfo
from flowrun.image.buffers import Buffers
from flowrun.media import pixel_aspect, source_errors
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.framecrc import FrameTimes
from flowrun.media.ffmpeg.pipe import open_second_output, read_full
from flowrun.media.ffmpeg.source_process import SourceProcess
from flowrun.media.ffmpeg.stream_info import StreamInfoParser
from flowrun.media.tone_map import ToneMap, tone_map_for
from flowrun.spec.flow import SourceSpec


class Decoder:
    """One decoder process. Opening waits for the first frame, at most `open_timeout`; each further
    frame may take `read_timeout`, not counting the time in which none is requested.

    Each frame has an array of its own, allocated from `buffers`. ffmpeg reports that a source is
    HDR when it runs already, so it is started again with a tone map.
    """

    def __init__(
        self,
        spec: SourceSpec,
        inputs: Callable[[SourceSpec], Sequence[str]],
        *,
        buffers: Buffers,
        live: bool | None = False,
    ) -> None:
        """`inputs` returns ffmpeg's input options, `-i` included, or raises `SourceError`. `live`:
        the frames arrive at the source's own pace, without an end; `None`: live if the duration is
        unknown."""
        self._spec = spec
        self._inputs = inputs
        self._buffers = buffers
        self._live = live
        self._process = SourceProcess(spec)
        self._times: FrameTimes | None = None
        self._info: VideoInfo | None = None
        self._by_arrival = False
        self._tone_map: ToneMap | None = None

    def open(self) -> VideoInfo | None:
        with self._process.pipes:
            try:
                self._info = self._open()
            except BaseException:
                self.close()
                raise
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        times, info, index = self._times, self._info, 0
        if times is None or info is None:
            return
        shape = (info.height, info.width, 3)
        try:
            while (frame := self._next(times, shape, index)) is not None:
                yield frame
                del frame
                index += 1
            self._process.check_end(index)
        finally:
            self.close()

    def stop(self) -> None:
        self._process.stop()

    def close(self) -> None:
        self._process.stop()
        with self._process.pipes:
            self._process.close()
            if self._times is not None:
                self._times.close()

    def _open(self) -> VideoInfo | None:
        """Wait for the first frame's entry; `None` if the source is stopped before it arrives."""
        info = self._start()
        if info is not None and (tone_map := tone_map_for(self._spec, info)) is not None:
            self._tone_map = tone_map  # keeps its file
            info = self._start(tone_map.filters)
            return None if info is None else tone_map.mapped(info)
        return info

    def _start(self, tone_map: Sequence[str] = ()) -> VideoInfo | None:
        inputs = self._inputs(self._spec)
        parser = StreamInfoParser()
        if self._times is not None:
            self._times.close()
        reading, url, inherited = open_second_output(sys.platform)
        times = self._times = FrameTimes(reading)
        try:
            if not self._process.start(
                commands.decode(self._spec, inputs, url, tone_map), parser.feed, inherited
            ):
                return None
        finally:
            for descriptor in inherited:
                os.close(descriptor)
        with self._process.limit(0):
            found = times.read_header()
        if not found:
            self._process.check_end(0)
            if self._process.stopped.is_set():
                return None
            raise source_errors.without_frames(self._spec.uri)
        info = parser.video_info(self._spec, times.size, times.tick, live=self._live)
        self._by_arrival = info.timing == "arrival"
        return pixel_aspect.of_frames(info, parser.rotation, self._spec.size)

    def _next(self, times: FrameTimes, shape: tuple[int, int, int], index: int) -> Frame | None:
        """Frame number `index`; `None` at the end, or when the source was stopped."""
        with self._process.pipes:
            try:
                image = self._read(shape, index)
                if image is None:
                    return None
                pts, duration = times.next(index)
            except SourceError:
                if self._process.stopped.is_set():  # `stop` ended the pipe between image and time
                    return None
                raise
        now = time.monotonic()
        return Frame(image, index, now if self._by_arrival else pts, duration, now)

    def _read(self, shape: tuple[int, int, int], index: int) -> Image | None:
        """The next image, read-only, `None` at the end."""
        if self._process.stopped.is_set():
            return None
        image = self._buffers.picture(shape)
        with self._process.limit(max(index, 1)):
            if not read_full(self._process.output, image.data.cast("B"), self._process.capacity):
                return None
        image.flags.writeable = False
        return image
