"""Start, watch and end one ffmpeg process."""

from __future__ import annotations

import contextlib
import functools
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from flowrun.errors import RunError
from flowrun.media.ffmpeg.parent_death import killed_with_parent, on_lasting_thread
from flowrun.media.ffmpeg.pipe import enlarge
from flowrun.media.ffmpeg.stderr import StderrLog
from flowrun.system.malloc import environment


@functools.cache
def executable() -> str:
    """The path of the ffmpeg that imageio-ffmpeg brings, or of `IMAGEIO_FFMPEG_EXE`."""
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise RunError(
            "there is no ffmpeg on this machine",
            hint="reinstall imageio-ffmpeg, or set IMAGEIO_FFMPEG_EXE to the path of an ffmpeg",
        ) from error


def process_group(platform: str = sys.platform) -> dict[str, Any]:
    """Options of `Popen` that keep a Ctrl-C at the terminal from the child: flowrun ends it."""
    if platform == "win32":
        return {"creationflags": 0x00000200 | 0x08000000}  # new process group, no window
    return {"start_new_session": True}


class Process:
    """A running ffmpeg with a log of its standard error.

    `arguments` follow the path of the executable; they include `LOG_LEVEL`. `input`, a few hundred
    bytes, is all that is written to its standard input. A thread of its own reads standard error,
    and calls `on_line` with each line.

    It does not outlive this process (on Linux), unless it `finishes` what it writes by itself, once
    its standard input is closed.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        on_line: Callable[[str], None] = lambda line: None,
        pass_fds: Sequence[int] = (),
        input: bytes = b"",  # noqa: A002
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
        finishes: bool = False,
    ) -> None:
        self.log = StderrLog()
        self._on_line = on_line
        command = [executable(), *arguments]

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command if finishes else killed_with_parent(command),
                stdin=subprocess.PIPE if input else stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=pass_fds,
                env=environment(),
                **process_group(),
            )

        try:
            self._popen = start() if finishes else on_lasting_thread(start)
        except OSError as error:
            raise RunError(f"ffmpeg does not start: {error}") from error
        self.stdin: Any = self._popen.stdin
        if input:
            self._write_all(input)
        self.stdout: Any = self._popen.stdout
        self.pipe_capacity = 0  # of each of its pipes in bytes, 0 where unknown
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                self.pipe_capacity = enlarge(pipe.fileno())
        self._reader = threading.Thread(
            target=self._read_stderr, name="flowrun-ffmpeg", daemon=True
        )
        self._reader.start()

    def _write_all(self, text: bytes) -> None:
        with contextlib.suppress(OSError):  # it ended; its standard error says why
            self.stdin.write(text)
        self.stdin.close()
        self.stdin = None

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def wait(self, timeout: float) -> int | None:
        """The exit status, `None` if it still runs after `timeout` seconds. Once there is a
        status, `log` is complete."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._reader.join(timeout=1.0)
        return status

    def terminate(self) -> None:
        """Ask it to finish its output and exit. From any thread."""
        if self.running:
            self._popen.terminate()

    def kill(self) -> None:
        """End it now, from any thread; a read or write that is blocked on its pipes returns."""
        if self.running:
            self._popen.kill()

    def close(self) -> None:
        """Kill it if it still runs, reap it and close the pipes. Idempotent, bounded."""
        self.kill()
        self.wait(5.0)
        for pipe in (self.stdin, self.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()

    def error_summary(self) -> str:
        """Why it failed, in one line: ffmpeg's own messages, or the signal that ended it."""
        return self.log.summary(self._popen.poll())

    def _read_stderr(self) -> None:
        stderr: Any = self._popen.stderr
        with open(stderr.fileno(), "rb", closefd=False) as lines:
            for raw in lines:
                if line := raw.decode("utf-8", "replace").rstrip():
                    self.log.add(line)
                    self._on_line(line)
