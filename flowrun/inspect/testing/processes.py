"""Run each test in a process of its own, several at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_GRACES = (1.0, 2.5)  # seconds after the first SIGTERM, and from the second one to the kill
_POSIX = os.name == "posix"


class Ended(NamedTuple):
    """A process that has ended: its exit code (`None`: it was ended at its time limit), the
    seconds that it took, and its output."""

    code: int | None
    seconds: float
    output: str


class CancelledError(Exception):
    """The process was not started, or was ended, because all are."""


class Processes:
    """Starts processes, each with a time limit, until `end`. Any thread."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False

    def run(self, words: Sequence[str], folder: Path) -> Ended:
        """Run `python -m WORDS` to its end, which is also that of the processes that it has
        started. Its temporary files are in `folder`, which exists. Raises `CancelledError`."""
        output = folder / "output"
        began = time.monotonic()
        with output.open("wb") as file:
            process = self._start(words, folder, file.fileno())
        code: int | None
        with process:  # closes its standard input
            try:
                code = process.wait(self._timeout)
            except subprocess.TimeoutExpired:
                code = None
            _end([process])  # or the processes that it has left
        with self._lock:
            self._running.discard(process)
            if self._ended:
                raise CancelledError
        text = output.read_text(encoding="utf-8", errors="replace")
        return Ended(code, time.monotonic() - began, text)

    def end(self) -> None:
        """End all processes, and start no more."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        _end(running)

    def _start(self, words: Sequence[str], folder: Path, output: int) -> subprocess.Popen[bytes]:
        places = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
        with self._lock:
            if self._ended:
                raise CancelledError
            process = subprocess.Popen(
                [sys.executable, "-m", *words],
                stdin=subprocess.PIPE,  # its end is that of this process
                stdout=output,
                stderr=output,
                env={**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "1"},
                start_new_session=True,  # with the processes that it starts; Ctrl-C comes here
            )
            self._running.add(process)
        return process


def _end(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Stop processes, and kill those that do not end soon, and all that they have started.

    After a second signal a run does not wait for the frames in flight, and logs what has not
    returned.
    """
    until = time.monotonic()
    for grace in _GRACES:
        for process in processes:
            process.terminate()
        until += grace
        for process in processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
    for process in processes:
        # A group of processes that have all ended is unknown, or on macOS inaccessible.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if _POSIX:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        process.wait()
