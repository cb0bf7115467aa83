"""Where the packets that PyAV decodes come from: a regular file, or an ffmpeg process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from typing import Any, Protocol

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from flowrun.errors import SourceError
from flowrun.frame import Timing, VideoInfo
from flowrun.media import source_errors
from flowrun.media.ffmpeg import commands
from flowrun.media.ffmpeg.source_process import SourceProcess
from flowrun.media.ffmpeg.stream_info import StreamInfoParser
from flowrun.media.pyav.error_text import error_text, logged_errors
from flowrun.media.pyav.hardware import accelerator
from flowrun.media.pyav.stream_info import stream_info
from flowrun.spec.flow import SourceSpec
from flowrun.spec.secrets import redact

Size = tuple[int, int]  # width, height

# ffmpeg has probed the input already, and the header of the pipe has what the decoder needs.
_PIPE_OPTIONS = {"probesize": "32", "analyzeduration": "0", "fpsprobesize": "0"}
_READ_BYTES = 1 << 18  # at most at once from the pipe


class Input(Protocol):
    """One thread starts it and reads; `stop` and `close` are for any thread."""

    rewinds: bool  # whether `container` may be called again, to read from the start

    def start(self) -> bool:
        """False if it was stopped before. Raises `SourceError`."""

    def container(self) -> InputContainer:
        """The container at its start. Raises `av.FFmpegError` or `SourceError`."""

    def info(self, stream: VideoStream, size: Size, tick: Fraction) -> VideoInfo:
        """The properties of the source. `size` of the first frame is that after its rotation, the
        pixel aspect that before it; `tick` is the unit of its times in seconds."""

    def timing(self) -> Timing:
        """What the times of the source are, once a frame is decoded."""

    def rotation(self) -> int | None:
        """Degrees counterclockwise by which frames are turned; `None`: as each frame says."""

    def limit(self, frames: int) -> AbstractContextManager[None]:
        """Limit the time of the block, which waits for frame number `frames`."""

    def check_end(self, frames: int) -> None:
        """Raise `SourceError` unless it ended normally, after `frames` frames, or by `stop`."""

    def stop(self) -> None:
        """End a read that is blocked. Does not wait."""

    def close(self) -> None:
        """Release everything, once the container is closed. Idempotent, bounded."""


class FileInput:
    """A regular file, whose reads do not block."""

    rewinds = True

    def __init__(self, spec: SourceSpec, url: Callable[[str], str]) -> None:
        """`url` turns the URI into the URL for libav, or raises `SourceError`."""
        self._spec = spec
        self._url = url
        self._hwaccel = accelerator(spec.ffmpeg.get("hwaccel"))
        self._path = ""

    def start(self) -> bool:
        self._path = self._url(self._spec.uri)
        if not os.path.isfile(self._spec.uri):
            raise SourceError(f"{redact(self._spec.uri)} is not a regular file")
        return True

    def container(self) -> InputContainer:
        try:
            self._container = self._opened()
        except av.FFmpegError as error:
            texts = dict.fromkeys([logged_errors(self._opened), error_text(error)])
            raise source_errors.unreadable(self._spec.uri, "; ".join(texts)) from error
        return self._container

    def _opened(self) -> InputContainer:
        return av.open(self._path, hwaccel=self._hwaccel)

    def info(self, stream: VideoStream, size: Size, tick: Fraction) -> VideoInfo:
        return stream_info(self._container, stream, self._spec, size, tick)

    def timing(self) -> Timing:
        return "stream"

    def rotation(self) -> int | None:
        return None

    def limit(self, frames: int) -> AbstractContextManager[None]:
        return nullcontext()

    def check_end(self, frames: int) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


class FetchedInput:
    """Anything that ffmpeg opens. A process reads it and passes the packets of its video on, as
    they are, through a pipe: it can be killed, and it says why it failed."""

    rewinds = False  # with `loop` ffmpeg starts again by itself

    def __init__(
        self,
        spec: SourceSpec,
        inputs: Callable[[SourceSpec], Sequence[str]],
        *,
        live: bool | None,
        sound: bool = False,
    ) -> None:
        """`inputs` and `live` as those of `Decoder`; `sound` fetches the sound, too."""
        self._spec = spec
        self._inputs = inputs
        self._live = live
        self._sound = sound
        self._hwaccel = accelerator(spec.ffmpeg.get("hwaccel"))
        self._parser = StreamInfoParser()
        self._process = SourceProcess(spec)

    def start(self) -> bool:
        return self._process.start(
            commands.fetch(self._spec, self._inputs(self._spec), sound=self._sound),
            self._parser.feed,
        )

    def container(self) -> InputContainer:
        pipe: Any = _Pipe(self._process.output)
        container: InputContainer = av.open(
            pipe,
            format="nut",
            options=_PIPE_OPTIONS,
            buffer_size=_READ_BYTES,
            hwaccel=self._hwaccel,
        )
        self._check_pixels(container)
        return container

    def _check_pixels(self, container: InputContainer) -> None:
        """NUT takes some raw pixel formats for others: `bgr24` for `rgb555le`."""
        self._parser.complete.wait(1.0)
        declared = self._parser.stream.pixel_format
        for stream in container.streams.video:
            codec = stream.codec_context
            if codec and codec.name == "rawvideo" and declared not in (None, codec.pix_fmt):
                raise source_errors.unreadable(
                    self._spec.uri, f"raw pixels as {declared} do not pass", reason="codec"
                )

    def info(self, stream: VideoStream, size: Size, tick: Fraction) -> VideoInfo:
        return self._parser.video_info(self._spec, size, tick, live=self._live)

    def timing(self) -> Timing:
        return self._parser.timing(self._live)

    def rotation(self) -> int | None:
        self._parser.complete.wait(1.0)
        return self._parser.rotation  # it does not pass the pipe

    def limit(self, frames: int) -> AbstractContextManager[None]:
        return self._process.limit(frames)

    def check_end(self, frames: int) -> None:
        self._process.check_end(frames)

    def stop(self) -> None:
        self._process.stop()

    def close(self) -> None:
        self._process.close()


class _Pipe:
    """A pipe without `seek`, which PyAV would use."""

    def __init__(self, pipe: Any) -> None:
        self.read = pipe.read
