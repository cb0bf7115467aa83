"""Decode with PyAV, which this module imports, in this process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import av
from av.codec.context import Flags
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from flowrun.frame import Frame, VideoInfo
from flowrun.media import clock_jumps, pixel_aspect, source_errors
from flowrun.media.clock_jumps import RecordedTimeline
from flowrun.media.protocols import SourceContext
from flowrun.media.pyav.converter import Converter
from flowrun.media.pyav.error_text import error_text
from flowrun.media.pyav.filters import RateFilter
from flowrun.media.pyav.fitting import Fitting, degrees, turned
from flowrun.media.pyav.inputs import Input
from flowrun.media.pyav.sound import SoundReader
from flowrun.media.tone_map import tone_map_for
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

log = logging.getLogger("flowrun")

_ARRIVAL_TICK = Fraction(1, 90_000)  # seconds


class AvDecoder:
    """The same pixels at the same times as those of `Decoder`; an image is made when somebody looks
    at it. Opening waits for the first frame."""

    def __init__(
        self,
        spec: SourceSpec,
        source: Input,
        context: SourceContext,
        *,
        low_delay: bool = False,
    ) -> None:
        """`low_delay`: output each frame at once, as for a stream without B-frames."""
        self._buffers = context.buffers
        self._sound = SoundReader() if context.sound else None
        self._spec = spec
        self._input = source
        self._low_delay = low_delay
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # PyAV may be used by one thread at a time
        self._container: InputContainer | None = None
        self._decoded: Iterator[VideoFrame] = iter(())
        self._first: VideoFrame | None = None
        self._aspect = pixel_aspect.SQUARE  # of the last frame, as the codec declares it
        self._error_count = 0
        self._last_error = ""

    def open(self) -> VideoInfo | None:
        if not self._input.start():
            return None
        self._decoded = self._decode()
        try:
            self._first = self._next(0)
        except BaseException:
            self.close()
            raise
        if self._first is None:
            self.close()
            return None
        rotation = self._input.rotation()
        size = turned(self._first, rotation)
        declared = self._input.info(self._stream, size, _time_base(self._first))
        turn = degrees(self._first, rotation)
        info = pixel_aspect.of_frames(declared, turn, self._spec.size)
        self._fitting = Fitting(info, size, rotation)
        tone_map = tone_map_for(self._spec, info)
        info = info if tone_map is None else tone_map.mapped(info)
        if self._sound is not None:
            info = replace(info, sound=self._sound.format)
        self._converter = Converter(
            self._spec, info, rotation=rotation, tone_map=tone_map, buffers=self._buffers
        )
        return info

    def __iter__(self) -> Iterator[Frame]:
        decoded, index = self._first, 0
        self._first = None
        sound, shown = None, 0.0  # of the last frame
        try:
            while decoded is not None and not self._stopped.is_set():
                share = self._fitting.share(decoded, self._aspect, index)
                picture, times = self._converter.picture(decoded, share), _times(decoded)
                decoded = None
                if self._sound is not None:
                    sound, shown = self._sound.take(times[0]), times[0]
                yield Frame.decoded(picture, index, *times, time.monotonic(), sound)
                del picture
                index += 1
                decoded = self._next(index)
            if self._sound is not None and sound is not None:
                sound += self._sound.take_rest(shown)
        finally:
            self.close()

    def stop(self) -> None:
        self._stopped.set()
        self._input.stop()

    def close(self) -> None:
        self.stop()  # ends a read on another thread, which then releases the lock
        with self._lock:
            self._decoded = iter(())
            self._close_container()
            self._input.close()

    def _next(self, index: int) -> VideoFrame | None:
        """Frame number `index`; `None` at the end, or when the source was stopped."""
        with self._lock:
            if self._stopped.is_set():
                return None
            try:
                with self._input.limit(index):
                    decoded = next(self._decoded, None)
            except FFmpegError as error:  # of opening, or of the filter
                self._input.check_end(index)
                if self._stopped.is_set():
                    return None
                raise source_errors.unreadable(
                    self._spec.uri, error_text(error), frames=index
                ) from error
            if decoded is None and not self._stopped.is_set():
                self._check_end(index)
            return decoded

    def _check_end(self, frames: int) -> None:
        """Report the errors of decoding, and raise `SourceError` if there is no frame, or if the
        input did not end normally."""
        self._input.check_end(frames)
        if self._stopped.is_set():
            return
        if not frames:
            if self._error_count:
                raise source_errors.unreadable(self._spec.uri, self._last_error)
            raise source_errors.without_frames(self._spec.uri)
        if self._error_count:
            log.warning(
                "source: av reported %d error(s) in %s, the last: %s",
                *(self._error_count, redact(self._spec.uri), self._last_error),
            )

    def _decode(self) -> Iterator[VideoFrame]:
        """All frames, at the rate of the flow; with `loop` again and again."""
        rate: RateFilter | None = None
        for frame in self._timed():
            if self._spec.fps:
                rate = rate or RateFilter(self._spec.fps, _time_base(frame))
            yield from (frame,) if rate is None else rate.push(frame)
        if rate is not None:
            yield from rate.push(None)

    def _timed(self) -> Iterator[VideoFrame]:
        """All frames, with their times on one time line."""
        timeline: RecordedTimeline | None = None
        while True:
            end, decoded = 0, False
            container, stream = self._open_container()
            for frame in self._frames(container, stream):
                decoded = True
                frame.pts = end if frame.pts is None else frame.pts
                own = float(frame.pts * _time_base(frame))
                frame.duration = _duration(frame, stream)
                end = frame.pts + frame.duration
                if self._input.rewinds:  # a file; ffmpeg repairs the times of what it fetches
                    timeline = timeline or RecordedTimeline(
                        _time_base(frame), _start(container, stream), self._jumped
                    )
                    frame.pts = timeline.at(frame.pts, frame.duration)
                elif self._input.timing() == "arrival":
                    frame.time_base, frame.duration = _ARRIVAL_TICK, 0  # which is unknown
                    frame.pts = round(time.monotonic() / _ARRIVAL_TICK)
                if self._sound is not None:
                    self._sound.place(own, float(frame.pts * _time_base(frame)))
                yield frame
            if timeline is None or not decoded or not self._spec.loop:
                return
            timeline.rewind()

    def _jumped(self, seconds: float) -> None:
        clock_jumps.warn(self._spec.uri, seconds)

    def _open_container(self) -> tuple[InputContainer, VideoStream]:
        """Open the input at its start. Return it with its first video stream."""
        self._close_container()
        container = self._container = self._input.container()
        for stream in container.streams.video:
            if Disposition.attached_pic not in stream.disposition:
                codec = stream.codec_context
                if codec is None:
                    raise source_errors.unreadable(
                        self._spec.uri, "PyAV has no decoder for its codec", reason="codec"
                    )
                codec.thread_type = "SLICE"  # threads for whole frames would each keep some
                if self._low_delay:
                    codec.flags |= Flags.low_delay
                self._stream = stream
                if self._sound is not None:
                    self._sound.open(container)
                return container, stream
        raise source_errors.without_video(self._spec.uri)

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Every frame that can be decoded. Errors are counted, and drop the frames that ffmpeg
        drops too."""
        sound = self._sound
        packets = container.demux(stream) if sound is None else sound.demux(container, stream)
        while not self._stopped.is_set():
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                decoded = packet.decode()
            except FFmpegError as error:
                self._error_count += 1
                self._last_error = error_text(error)
                continue
            if decoded:
                self._aspect = stream.codec_context.sample_aspect_ratio or pixel_aspect.SQUARE
            yield from decoded

    def _close_container(self) -> None:
        if self._container is not None:
            self._container.close()
        self._container = None


def _time_base(of: VideoStream | VideoFrame) -> Fraction:
    """The unit of its times in seconds."""
    return of.time_base or Fraction(1, 90_000)


def _start(container: InputContainer, stream: VideoStream) -> int:
    """The time at which the container starts, in ticks of the stream."""
    return round((container.start_time or 0) / av.time_base / _time_base(stream))


def _duration(frame: VideoFrame, stream: VideoStream) -> int:
    """The duration of a frame in ticks; where unset, that of the stream's average rate."""
    if frame.duration or not stream.average_rate:
        return frame.duration
    return round(1 / stream.average_rate / _time_base(stream))


def _times(frame: VideoFrame) -> tuple[float, float]:
    """Presentation time and duration in seconds."""
    tick = _time_base(frame)
    return float((frame.pts or 0) * tick), float(frame.duration * tick)
