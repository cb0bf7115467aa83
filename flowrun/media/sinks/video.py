"""Write a video file that plays even after a crash."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.encoding import supports_bitrate
from flowrun.media.overwrite import refuse_existing
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.encoders import ENCODERS, FileEncoder
from flowrun.spec.flow import SinkSpec

log = logging.getLogger("flowrun")


class VideoSink:
    """Write `name.part.mp4` beside `name.mp4` and rename it when it is finished.

    The first frame decides the size. When the size changes later, the file ends there and the
    recording continues in `name.2.mp4` and so on, with a warning. Missing folders are created.
    Buffers no frames itself; a pipe to an encoder holds at most 1 MiB, and the encoder what its
    look-ahead needs. `__init__` raises `InvalidFlowError` if the encoder is not installed.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self._spec, self._context = spec, context
        self._path = self._target = Path(spec.uri)
        self._parts = 0
        self._open = ENCODERS[spec.encoder](context.key)
        self._encoder: FileEncoder | None = None
        self._aborted = False
        self._check(self._path)
        if spec.bitrate is not None and spec.codec and not supports_bitrate(spec.codec):
            log.warning(
                "%s.bitrate: %s does not support a bit rate at a variable frame rate; `quality`"
                " applies instead",
                *(context.key, spec.codec),
            )

    def write(self, frame: Frame) -> None:
        size = (frame.width, frame.height)
        if self._encoder is None or self._encoder.size != size:
            if self._encoder is not None:
                log.warning(
                    "%s: the frame size changed from %dx%d to %dx%d at frame %d; the recording"
                    " continues in %s",
                    *(
                        self._context.key,
                        *self._encoder.size,
                        *size,
                        frame.index,
                        self._name(self._parts + 1),
                    ),
                )
                self._finish()
            self._encoder = self._next_part(frame)
        self._encoder.write(frame)

    def close(self) -> None:
        self._finish()

    def abort(self) -> None:
        self._aborted = True
        encoder = self._encoder
        if encoder is not None:
            encoder.abort()

    def _next_part(self, first: Frame) -> FileEncoder:
        if self._aborted:
            raise SinkError(f"{self._path} was aborted", key=self._context.key)
        self._parts += 1
        path, size = self._name(self._parts), (first.width, first.height)
        self._check(path)
        if size[0] % 2 or size[1] % 2:
            log.info("%s: %dx%d is odd, so it is encoded as yuv444p", self._context.key, *size)
        self._target = _part_path(path)
        return self._open(self._spec, self._context.of_frame(first), size, self._target)

    def _finish(self) -> None:
        if self._encoder is None:
            return
        try:
            self._encoder.close()  # `abort` may interrupt this
        finally:
            self._encoder = None
            if self._target.exists():
                if self._target.stat().st_size:
                    os.replace(self._target, self._name(self._parts))
                else:
                    self._target.unlink()

    def _name(self, part: int) -> Path:
        if part == 1:
            return self._path
        return self._path.with_name(f"{self._path.stem}.{part}{self._path.suffix}")

    def _check(self, path: Path) -> None:
        """Raise `SinkError` now for errors that would occur at the first frame or at the end."""
        if path.is_dir():
            raise SinkError(f"{path} is a directory", key=self._context.key)
        refuse_existing(path, self._spec, self._context.key)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(_part_path(path), "wb"):
                pass
            _part_path(path).unlink()
        except OSError as error:
            raise SinkError(
                f"{path} cannot be written: {error.strerror}", key=self._context.key
            ) from error


def _part_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.part{path.suffix}")
