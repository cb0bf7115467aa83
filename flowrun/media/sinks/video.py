"""Write a video file that plays even after a crash."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.encoding import supports_bitrate
from flowrun.media.ffmpeg.encoder_names import check_codec
from flowrun.media.ffmpeg.playable import count_frames, plays
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.avi import AviTimes
from flowrun.media.sinks.encoders import ENCODERS, FileEncoder
from flowrun.spec.flow import SinkSpec
from flowrun.system.rename import rename_aside, rename_new

log = logging.getLogger("flowrun")


class VideoSink:
    """Write `name.part.mp4` beside `name.mp4` and rename it when it is finished.

    The first frame decides the size. When the size changes later, the file ends there and the
    recording continues in `name.2.mp4` and so on, with a warning. Missing folders are created.
    Buffers no frames itself; a pipe to an encoder holds at most 1 MiB, and the encoder what its
    look-ahead needs.

    No file is lost: what a killed run has left becomes `name.part-1.mp4`, a file that does not play
    stays `name.part.mp4`, and if there is a `name.mp4` at the end that was not there at the start,
    the recording becomes `name-1.mp4` and `close` raises. `missing` counts the frames that an
    encoder accepted and did not write before it failed. `__init__` raises `InvalidFlowError` if
    the encoder is not installed or unknown, and `SinkError` if the path is claimed (see `Claims`).
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self._spec, self._context = spec, context
        self._path = self._target = Path(spec.uri)
        self._parts = 0
        self._open = ENCODERS[spec.encoder](context.key)
        if spec.encoder == "ffmpeg":
            check_codec(spec, context.key)
        self._encoder: FileEncoder | None = None
        self.missing = 0
        self._written = 0  # frames, to the current file
        self._aborted = False
        self._taken: list[str] = []  # final names that were not free, as messages
        context.claims.take(self._path, context.key, overwrite=spec.overwrite)
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
        self._written += 1

    def close(self) -> None:
        try:
            self._finish()
        finally:
            self._context.claims.release(self._context.key)
        if self._taken:
            text, self._taken = "; ".join(self._taken), []
            raise SinkError(text, key=self._context.key)

    def abort(self) -> None:
        self._aborted = True
        encoder = self._encoder
        if encoder is not None:
            encoder.abort()

    def _next_part(self, first: Frame) -> FileEncoder:
        if self._aborted:
            raise SinkError(f"{self._path} was aborted", key=self._context.key)
        self._parts += 1
        self._written = 0
        path, size = self._name(self._parts), (first.width, first.height)
        if self._parts > 1:
            self._context.claims.take(path, self._context.key, overwrite=True)
        if size[0] % 2 or size[1] % 2:
            log.info("%s: %dx%d is odd, so it is encoded as yuv444p", self._context.key, *size)
        self._target = path.with_name(f"{path.stem}.part{path.suffix}")
        self._keep_earlier()
        encoder = self._open(self._spec, self._context.of_frame(first), size, self._target)
        return AviTimes(encoder) if path.suffix.lower() == ".avi" else encoder

    def _keep_earlier(self) -> None:
        """Rename what an earlier run has left at the name that this one is going to write."""
        if not os.path.lexists(self._target):
            return
        try:
            kept = rename_aside(self._target, self._target)
        except OSError as error:
            raise SinkError(
                f"{self._target}, left by an earlier run, cannot be renamed: {error.strerror}",
                key=self._context.key,
            ) from error
        log.warning(
            "%s: an earlier run did not finish its recording %s; it is kept as %s",
            *(self._context.key, self._target, kept),
        )

    def _finish(self) -> None:
        """End the current file. It gets its final name if it plays."""
        if self._encoder is None:
            return
        try:
            self._encoder.close()  # `abort` may interrupt this
        except SinkError:
            self._count_missing()
            self._salvage()
            raise
        finally:
            self._encoder = None
        if self._aborted:
            self._salvage()
        elif self._target.exists():
            self._publish()
        else:
            self.missing += self._written
            raise SinkError(
                f"{self._target} was removed or renamed during the run; there is no recording",
                key=self._context.key,
            )

    def _count_missing(self) -> None:
        """Count the frames that the encoder has not written into the current file."""
        found = count_frames(self._target) if self._target.exists() else 0
        if found is None:
            log.warning(
                "%s: the frames in %s were not counted, it is too long; some that count as"
                " delivered may be missing",
                *(self._context.key, self._target),
            )
        else:
            self.missing += max(0, self._written - found)

    def _salvage(self) -> None:
        """Give the file of an encoder that may not have finished it its final name if it plays."""
        if not self._target.exists():
            return
        if not self._target.stat().st_size:
            self._target.unlink()
        elif plays(self._target):
            self._publish()
        else:
            log.error("%s: %s does not play and keeps this name", self._context.key, self._target)

    def _publish(self) -> None:
        path = self._name(self._parts)
        try:
            if self._spec.overwrite:
                os.replace(self._target, path)
            else:
                rename_new(self._target, path)
        except FileExistsError:
            kept = rename_aside(self._target, path)
            text = f"{path} was created by another program; the recording is kept as {kept}"
            log.warning("%s: %s", self._context.key, text)
            self._taken.append(text)
        except OSError as error:
            raise SinkError(
                f"{self._target} cannot be renamed to {path}: {error.strerror}",
                key=self._context.key,
            ) from error

    def _name(self, part: int) -> Path:
        if part == 1:
            return self._path
        return self._path.with_name(f"{self._path.stem}.{part}{self._path.suffix}")
