"""One ffmpeg process: started apart from the terminal, listened to, and certain to end."""

from __future__ import annotations

import collections
import contextlib
import functools
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from flowrun.errors import RunError
from flowrun.spec.secrets import redact
from flowrun.system.malloc import environment

PIPE_BYTES = 1 << 20  # Linux allows an unprivileged process this much
_TAIL_LINES = 40
_LEVEL = re.compile(r"\[(?:panic|fatal|error|warning|info|verbose|debug|trace)\] ")
_ECHO = re.compile(r"Error opening (?:in|out)put files?\b")  # of an error that was said before
_ALARM = re.compile(r"\[(?:panic|fatal|error)\] ")


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
    """What keeps a Ctrl-C at the terminal from reaching the child: flowrun decides when it ends."""
    if platform == "win32":
        return {"creationflags": 0x00000200 | 0x08000000}  # new process group, no window
    return {"start_new_session": True}


class Process:
    """A running ffmpeg, its last lines, and an end of it.

    Standard error is read by a thread of its own, line by line; `on_line` sees each line on that
    thread. `arguments` follow the path of the executable. Use the `-loglevel` of `LOG_LEVEL`.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        on_line: Callable[[str], None] = lambda line: None,
        pass_fds: Sequence[int] = (),
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.DEVNULL,
    ) -> None:
        self._tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
        self._on_line = on_line
        self.alarms = 0  # lines of level error or worse
        try:
            self._popen = subprocess.Popen(
                [executable(), *arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=pass_fds,
                env=environment(),
                **process_group(),
            )
        except OSError as error:
            raise RunError(f"ffmpeg does not start: {error}") from error
        self.stdin: Any = self._popen.stdin
        self.stdout: Any = self._popen.stdout
        self.room = 0  # bytes that each of its pipes holds, as far as that is known
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                self.room = enlarge(pipe.fileno())
        self._listener = threading.Thread(target=self._listen, name="flowrun-ffmpeg", daemon=True)
        self._listener.start()

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def wait(self, timeout: float) -> int | None:
        """The exit status, `None` if it is still running after `timeout` seconds. Once there is a
        status, `last_words` are complete."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        self._listener.join(timeout=1.0)
        return status

    def terminate(self) -> None:
        """Ask it to finish what it is writing. From any thread."""
        if self.running:
            self._popen.terminate()

    def kill(self) -> None:
        """End it now, from any thread; a read or write that is blocked on its pipes returns."""
        if self.running:
            self._popen.kill()

    def close(self) -> None:
        """Kill it if need be, reap it and close the pipes. Idempotent, bounded."""
        self.kill()
        self.wait(5.0)
        for pipe in (self.stdin, self.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()

    def last_words(self) -> str:
        """What ffmpeg said last and worst, secrets hidden: its errors, or else the signal that
        ended it, or else its last line."""
        lines = list(self._tail)
        errors = [line for line in lines if is_alarm(line)]
        status = self._popen.poll()
        if not errors and status is not None and status < 0:
            return f"it was ended by signal {-status} ({signal.strsignal(-status)})"
        errors = errors or lines[-1:]
        said = dict.fromkeys(_LEVEL.split(line)[-1].strip() for line in errors)
        said = {text: None for text in said if not _ECHO.match(text)} or said
        return redact("; ".join(list(said)[-3:])) or "it said nothing"

    def said(self, sign: str) -> bool:
        """Whether `sign` stands anywhere in its last lines."""
        return any(sign in line for line in list(self._tail))

    def _listen(self) -> None:
        stderr: Any = self._popen.stderr
        with open(stderr.fileno(), "rb", closefd=False) as lines:
            for raw in lines:
                line = raw.decode("utf-8", "replace").rstrip()
                self.alarms += is_alarm(line)
                if line:
                    self._tail.append(line)
                    self._on_line(line)


def is_alarm(line: str) -> bool:
    """Whether ffmpeg says that something went wrong."""
    return _ALARM.search(line) is not None


LOG_LEVEL = ("-hide_banner", "-nostats", "-loglevel", "repeat+level+info")


def enlarge(descriptor: int) -> int:
    """Give a pipe room for a good part of a frame, where the system allows it; how many bytes it
    holds, 0 where the system does not say."""
    if sys.platform == "linux":
        import fcntl

        # Refused: the user's pipes already take what an unprivileged user may have.
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        return fcntl.fcntl(descriptor, fcntl.F_GETPIPE_SZ)
    return 0
