"""Write video files that play even after a crash."""

from __future__ import annotations

import logging
import threading

from flowrun.errors import SinkError
from flowrun.frame import Frame
from flowrun.media.encoding import supports_bitrate
from flowrun.media.file_pattern import FilePattern
from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.avi import AviTimes
from flowrun.media.sinks.encoders import ENCODERS
from flowrun.media.sinks.file_series import FileSeries
from flowrun.media.sinks.finisher import Finisher
from flowrun.media.sinks.recorded_sound import RecordedSound
from flowrun.media.sinks.recording import Recording, Target, remove_empty
from flowrun.media.sinks.retention import Retention
from flowrun.media.sinks.segments import Segments
from flowrun.media.sinks.single_file import SingleFile
from flowrun.spec.flow import SinkSpec

log = logging.getLogger("flowrun")


class VideoSink:
    """Write `name.part.mp4` beside `name.mp4` and rename it when it is finished.

    The first frame decides the size. When the size changes later, the file ends there and the
    recording continues in another one, with a warning; so it does when a segment ends. The next
    file is written while the previous one is being finished; an error of the latter is raised by a
    later `write` or by `close`. Missing folders are created. Old files are deleted before the first
    frame and whenever a file is finished (see `Retention`).
    Buffers no frames itself; a pipe to an encoder holds at most 1 MiB, and the encoder what its
    look-ahead needs.

    No file is lost: see `SingleFile` and `FileSeries`; a file that does not play stays
    `name.part.mp4`. `missing` counts the frames that an encoder accepted and did not write before
    it failed. `__init__` raises `InvalidFlowError` if the encoder is not installed, and
    `SinkError` if the path is claimed (see `Claims`).
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        self._spec, self._context = spec, context
        self._open = ENCODERS[spec.encoder](context.key)
        self._recording: Recording | None = None
        self._aborted = False
        self.missing = 0
        self._segments = Segments(spec.segment)
        self._files: SingleFile | FileSeries
        self._retention: Retention | None = None
        if spec.is_series:
            pattern = FilePattern(spec.uri)
            self._files = FileSeries(pattern, context)
            if spec.keep is not None:
                self._retention = Retention(pattern, spec.keep, context.key)
                self._retention.announce()
        else:
            self._files = SingleFile(spec, context)
        self._finisher = Finisher(self._delete_old)
        self._sound = RecordedSound(context.sound, self._finisher.start)
        self._last: Frame | None = None
        if spec.bitrate is not None and spec.codec and not supports_bitrate(spec.codec):
            log.warning(
                "%s.bitrate: %s does not support a bit rate at a variable frame rate; `quality`"
                " applies instead",
                *(context.key, spec.codec),
            )

    def write(self, frame: Frame) -> None:
        self._finisher.check()
        recording, begins = self._recording, self._segments.begins_at(frame.time)
        if begins or recording is None or recording.size != (frame.width, frame.height):
            recording = self._continue(frame)
        self._sound.up_to(frame, recording)
        recording.write(frame)
        self._last = frame if self._context.sound else None

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
        self._sound.abort()
        if (recording := self._recording) is not None:
            recording.abort()
        finishing.join()

    def _continue(self, frame: Frame) -> Recording:
        """The recording that begins with `frame`."""
        if self._aborted:
            raise SinkError(f"{self._spec.uri} was aborted", key=self._context.key)
        previous = self._recording
        if previous is not None:
            try:
                self._sound.cut(previous, frame.time)
            finally:
                self._recording = None
        else:
            self._delete_old()
        target = self._files.next(frame)
        if previous is None or previous.size != (frame.width, frame.height):
            self._log_size(previous, frame, target)
        try:
            recording = self._recording = self._opened(frame, target)
        except SinkError:
            remove_empty(target.part)
            raise
        if self._aborted:  # meanwhile
            recording.abort()
        return recording

    def _opened(self, first: Frame, target: Target) -> Recording:
        size = (first.width, first.height)
        encoder = self._open(self._spec, self._context.of_frame(first), size, target.part)
        if target.path.suffix.lower() == ".avi":
            encoder = AviTimes(encoder)
        return Recording(encoder, target, self._context.key)

    def _finish(self) -> None:
        """Finish the current recording, if there is one."""
        recording = self._recording
        if recording is None:
            return
        try:
            self._sound.last(self._last, recording)
        finally:
            try:
                self._finisher.start(recording)  # `abort` finds it here or there
            finally:
                self._recording = None
        self._finisher.wait()

    def _delete_old(self) -> None:
        if self._retention is not None:
            self._retention.apply()

    def _log_size(self, previous: Recording | None, frame: Frame, target: Target) -> None:
        size = (frame.width, frame.height)
        if previous is not None:
            log.warning(
                "%s: the frame size changed from %dx%d to %dx%d at frame %d; the recording"
                " continues in %s",
                *(self._context.key, *previous.size, *size, frame.index, target.path),
            )
        if size[0] % 2 or size[1] % 2:
            log.info("%s: %dx%d is odd, so it is encoded as yuv444p", self._context.key, *size)
