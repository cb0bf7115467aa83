"""Finish a recording on a thread of its own while the next one is written."""

from __future__ import annotations

import threading
from collections.abc import Callable

from flowrun.media.sinks.recording import Recording


class Finisher:
    """Finish recordings, one at a time, and call `then` after each.

    An encoder takes up to seconds to write its look-ahead, which would hold up a live source.
    `missing` is the sum of the recordings that were waited for. Used by one thread, except for
    `abort`.
    """

    def __init__(self, then: Callable[[], None]) -> None:
        self.missing = 0
        self._then = then
        self._recording: Recording | None = None
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def start(self, recording: Recording) -> None:
        """Start to finish `recording`; waits for the previous one and raises its error."""
        try:
            self.wait()
        finally:
            self._recording = recording
            self._thread = threading.Thread(
                target=self._finish, args=(recording,), name="flowrun-finish", daemon=True
            )
            self._thread.start()

    def check(self) -> None:
        """Raise the error of the recording, once it has failed."""
        if self._thread is not None and not self._thread.is_alive():
            self.wait()

    def wait(self) -> None:
        """Wait for the recording that is being finished. Raises its error. Idempotent."""
        if self._thread is None or self._recording is None:
            return
        self._thread.join()
        self.missing += self._recording.missing
        self._thread = self._recording = None
        error, self._error = self._error, None
        if error is not None:
            raise error

    def abort(self) -> None:
        """Abort the recording that is being finished. From any thread."""
        recording = self._recording
        if recording is not None:
            recording.abort()

    def _finish(self, recording: Recording) -> None:
        try:
            recording.finish()
        except Exception as error:  # raised where it is waited for
            self._error = error
        else:
            self._then()
