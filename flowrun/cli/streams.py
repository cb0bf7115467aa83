"""Standard output and standard error whose failures cost what is printed and nothing else.

They may be closed, full, a pipe that nobody reads, or have an encoding without some letters.
Standard output is flowrun's alone: hooks, libraries and child processes print to standard error.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import Any, TextIO

from flowrun.system.standard_output import reserve

BLOCKED_TIMEOUT = 1.0  # seconds that a write to standard error waits for its reader


class GuardedStream(io.RawIOBase):
    """Writes to `raw` until that fails: `error` keeps the first error, and what is written from
    then on is discarded. So nothing that prints, a hook neither, meets an exception.

    With `timeout`, what a reader or a paused terminal does not take within that many seconds is
    discarded, too, and so is what follows, until it takes something again."""

    def __init__(
        self, raw: Any, error: OSError | None = None, timeout: float | None = None
    ) -> None:
        self._raw = raw
        self.error = error
        self._timeout = timeout if os.name == "posix" else None  # elsewhere it cannot be asked
        self._blocked = False

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self._raw.fileno())

    def isatty(self) -> bool:
        return self.error is None and bool(self._raw.isatty())

    def write(self, data: Any) -> int:
        data = memoryview(data)
        while self.error is None:
            try:
                if self._timeout is not None:
                    if not self._accepts(0.0 if self._blocked else self._timeout):
                        break
                    data = data[: select.PIPE_BUF]  # so many bytes do not block now
                written = self._raw.write(data)
                if written is not None:
                    return int(written)
                self._accepts(None)  # `raw` does not block, and is full
            except OSError as error:
                self.error = error
        return len(data)

    def _accepts(self, timeout: float | None) -> bool:
        self._blocked = not select.select([], [self._raw], [], timeout)[1]
        return not self._blocked


class _Text(io.TextIOWrapper):
    """A text stream that stays open, whatever closes it."""

    def close(self) -> None:
        self.flush()


_own: dict[str, TextIO] = {}  # what flowrun prints to, in a process of its own


def stdout() -> TextIO:
    """Standard output, for what a command was asked for."""
    return _own.get("stdout", sys.stdout)


def stderr() -> TextIO:
    """Standard error, whatever a hook has made of `sys.stderr`."""
    return _own.get("stderr", sys.stderr)


def guard_streams() -> None:
    """Guard both streams; letters that their encoding lacks are replaced. From now on `sys.stdout`
    and its file descriptor are standard error, too: `stdout()` has a descriptor of its own. A file
    descriptor that is closed becomes the null device, so that no file gets its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number
    _own["stderr"] = _guarded(sys.stderr, _raw(2), "backslashreplace", BLOCKED_TIMEOUT)
    _own["stdout"] = _guarded(sys.stdout, _raw(reserve()), "replace")
    sys.stdout = _guarded(sys.stderr, _raw(2), "backslashreplace", BLOCKED_TIMEOUT)
    sys.stderr = _own["stderr"]


def stdout_error() -> OSError | None:
    """The error that has ended standard output, if it is guarded."""
    raw = getattr(getattr(stdout(), "buffer", None), "raw", None)
    return raw.error if isinstance(raw, GuardedStream) else None


def _raw(number: int) -> Any:
    """The file descriptor, without a buffer: on Windows, a console's takes any letter."""
    return open(number, "wb", buffering=0, closefd=False)


def _guarded(stream: Any, raw: Any, errors: str, timeout: float | None = None) -> _Text:
    """A guarded stream to `raw` with the properties of `stream`."""
    if stream is None:  # it was closed when Python started
        closed = OSError(errno.EBADF, "it is closed")
        return _Text(io.BufferedWriter(GuardedStream(raw, closed)), "utf-8", errors)
    return _Text(
        io.BufferedWriter(GuardedStream(raw, timeout=timeout)),
        stream.encoding,
        errors if stream.errors in ("strict", "surrogateescape") else stream.errors,
        line_buffering=stream.line_buffering or stream.write_through,  # PYTHONUNBUFFERED
    )
