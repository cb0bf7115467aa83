"""Write video files that play even after a crash."""

from __future__ import annotations

import logging
import threading

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.encoding import supports_bitrate
from flowrun.media.ffmpeg.encoder_names import check_codec
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.avi import AviTimes
from flowrun.media.sinks.encoders import ENCODERS
from flowrun.media.sinks.finisher import Finisher
from flowrun.media.sinks.recording import Recording, Target
from flowrun.media.sinks.single_file import SingleFile
from flowrun.spec.flow import SinkSpec

log = logging.getLogger("flowrun")


class VideoSink:
    """Write `name.part.mp4` beside `name.mp4` and rename it when it is finished.

    The first frame decides the size. When the size changes later, the file ends there and the
    recording continues in another one, with a warning, while the first one is being finished. An
    error of the latter is raised by a later `write` or by `close`. Missing folders are created.
    Buffers no frames itself; a pipe to an encoder holds at most 1 MiB, and the encoder what its
    look-ahead needs.

    No file is lost: see `SingleFile`; a file that does not play stays `name.part.mp4`. `missing`
    counts the frames that an encoder accepted and did not write before it failed. `__init__`
    raises `InvalidFlowError` if the encoder is not installed or unknown, and `SinkError` if the
    path is claimed (see `Claims`).
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self._spec, self._context = spec, context
        self._open = ENCODERS[spec.encoder](context.key)
        if spec.encoder == "ffmpeg":
            check_codec(spec, context.key)
        self._recording: Recording | None = None
        self._finisher = Finisher(then=lambda: None)
        self._aborted = False
        self.missing = 0
        self._files = SingleFile(spec, context)
        if spec.bitrate is not None and spec.codec and not supports_bitrate(spec.codec):
            log.warning(
                "%s.bitrate: %s does not support a bit rate at a variable frame rate; `quality`"
                " applies instead",
                *(context.key, spec.codec),
            )

    def write(self, frame: Frame) -> None:
        self._finisher.check()
        recording = self._recording
        if recording is None or recording.size != (frame.width, frame.height):
            recording = self._continue(frame)
        recording.write(frame)

    def close(self) -> None:
        errors = []
        for step in (self._finisher.wait, self._finish, self._files.close):
            try:
                step()
            except SinkError as error:
                errors.append(error)
        self.missing = self._finisher.missing
        self._context.claims.release(self._context.key)
        if errors:
            raise errors[0]

    def abort(self) -> None:
        self._aborted = True
        finishing = threading.Thread(target=self._finisher.abort, daemon=True)
        finishing.start()
        if (recording := self._recording) is not None:
            recording.abort()
        finishing.join()

    def _continue(self, frame: Frame) -> Recording:
        """The recording that begins with `frame`."""
        if self._aborted:
            raise SinkError(f"{self._spec.uri} was aborted", key=self._context.key)
        previous = self._recording
        if previous is not None:
            self._hand_over(previous)
        target = self._files.next(frame)
        if previous is not None:
            self._log_change(previous.size, frame, target)
        recording = self._recording = self._opened(frame, target)
        if self._aborted:  # meanwhile
            recording.abort()
        return recording

    def _opened(self, first: Frame, target: Target) -> Recording:
        size = (first.width, first.height)
        if size[0] % 2 or size[1] % 2:
            log.info("%s: %dx%d is odd, so it is encoded as yuv444p", self._context.key, *size)
        encoder = self._open(self._spec, self._context.of_frame(first), size, target.part)
        if target.path.suffix.lower() == ".avi":
            encoder = AviTimes(encoder)
        return Recording(encoder, target, self._context.key)

    def _finish(self) -> None:
        """Finish the current recording, if there is one."""
        if self._recording is not None:
            self._hand_over(self._recording)
            self._finisher.wait()

    def _hand_over(self, recording: Recording) -> None:
        """Let the finisher finish the current recording, which `abort` finds here or there."""
        try:
            self._finisher.start(recording)
        finally:
            self._recording = None

    def _log_change(self, before: tuple[int, int], frame: Frame, target: Target) -> None:
        log.warning(
            "%s: the frame size changed from %dx%d to %dx%d at frame %d; the recording"
            " continues in %s",
            *(self._context.key, *before, frame.width, frame.height, frame.index, target.path),
        )
