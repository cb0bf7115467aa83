"""Start the process of a flow, write its orders, read its lines."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from flowrun.media.ffmpeg.process import process_group
from flowrun.up.order import ABORT, STOP, Order, encode

OnLine = Callable[[str], None]  # called on a thread of the child
OnEnd = Callable[[int], None]  # with the exit code, 128 + n after signal n; on another thread
MAX_LINE = 64 * 1024  # characters; a longer line is several
_LAST_LINES = 1.0  # seconds to read what an ended process has written


class Child(Protocol):
    """The process of a flow. Every method returns at once, and has no effect after its end."""

    @property
    def pid(self) -> int | None: ...
    def stop(self) -> None: ...
    def abort(self) -> None: ...
    def kill(self) -> None: ...


class Launcher(Protocol):
    """Starts processes, until `close`."""

    def start(self, order: Order, on_line: OnLine, on_end: OnEnd) -> Child: ...
    def close(self) -> None: ...


class Pipes:
    """The standard input and standard error of a process: `theirs` are its ends, for it to
    inherit."""

    def __init__(self, order: Order, on_line: OnLine, on_end: OnEnd) -> None:
        self._on_line = on_line
        self._on_end = on_end
        stdin, self._stdin = os.pipe()
        self._stderr, stderr = os.pipe()
        self.theirs = (stdin, stderr)
        self._lock = threading.Lock()
        self._unsent: bytes | None = encode(order)  # `None` once it is sent
        self._commands = b""  # that come after it
        self._thread = threading.Thread(target=self._talk, name="flowrun-child", daemon=True)

    def begin(self) -> None:
        """The process has inherited its ends: write the order, then read lines."""
        for descriptor in self.theirs:
            os.close(descriptor)
        self._thread.start()

    def send(self, command: bytes) -> None:
        with self._lock:
            if self._unsent is not None:
                self._commands += command
            else:
                self._write(command)

    def ended(self, code: int) -> None:
        """The process has ended: read its last lines, and report the end. Returns at once."""
        threading.Thread(target=self._end, args=(code,), name="flowrun-child", daemon=True).start()

    def _end(self, code: int) -> None:
        self._thread.join(_LAST_LINES)  # a process that it has left behind may hold the pipe
        with self._lock:
            if self._stdin >= 0:
                os.close(self._stdin)
                self._stdin = -1
        self._on_end(code)

    def _talk(self) -> None:
        data = self._unsent or b""
        while data and (written := self._write(data)):  # in parts: the pipe is small
            data = data[written:]
        with self._lock:
            self._unsent = None
            self._write(self._commands)
        with open(self._stderr, encoding="utf-8", errors="replace", newline="\n") as lines:
            while line := lines.readline(MAX_LINE):
                self._on_line(line.rstrip("\r\n"))

    def _write(self, data: bytes) -> int:
        with contextlib.suppress(OSError):  # it has ended
            return os.write(self._stdin, data) if data and self._stdin >= 0 else 0
        return 0


class SpawnLauncher:
    """Starts each process as `command`, which imports everything anew; on every platform."""

    def __init__(self, command: Sequence[str], stdout: int | None = None) -> None:
        self._command = list(command)
        self._stdout = stdout

    def start(self, order: Order, on_line: OnLine, on_end: OnEnd) -> Child:
        return _Spawned(self._command, self._stdout, Pipes(order, on_line, on_end))

    def close(self) -> None: ...


class _Spawned:
    def __init__(self, command: list[str], stdout: int | None, pipes: Pipes) -> None:
        self._pipes = pipes
        stdin, stderr = pipes.theirs
        self._process = subprocess.Popen(
            command, stdin=stdin, stdout=stdout, stderr=stderr, **process_group()
        )
        pipes.begin()
        threading.Thread(target=self._wait, name="flowrun-child", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._pipes.send(STOP)

    def abort(self) -> None:
        self._pipes.send(ABORT)

    def kill(self) -> None:
        self._process.kill()

    def _wait(self) -> None:
        self._pipes.ended(exit_code(self._process.wait()))


def exit_code(status: int) -> int:
    """128 + n for a process that signal n has ended (`-n`), as shells have it."""
    return 128 - status if status < 0 else status
