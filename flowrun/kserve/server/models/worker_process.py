"""One process of another Python, with one instance of a model."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, cast

from flowrun.inference import Tensor
from flowrun.kserve.server.models.isolated import worker as script
from flowrun.kserve.server.models.model import ModelError, Outputs

START_TIMEOUT = 60.0  # seconds until a worker must have loaded its model
RESPONSE_TIMEOUT = 60.0  # seconds until it must have responded to a request
STDERR_TIMEOUT = 2.0  # seconds to read the rest of stderr; another process may hold its pipe open
_LAST_LINES = 3  # of stderr, in the message of an error
_LONGEST = 300  # characters of them

_log = logging.getLogger("flowrun")


class Worker:
    """One process with one instance of the model; called by one thread at a time.

    Its standard error, to which its standard output goes too, is logged on a thread of its own. A
    worker that exits, or is killed because it timed out, fails that call and cannot be used again.
    """

    def __init__(self, name: str, command: list[str], on_closed: Callable[[Worker], None]) -> None:
        self.declared: dict[str, Any] = {}
        self._name = name
        self._on_closed = on_closed
        self._timed_out = False
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a group of its own, with whatever the model starts
        )
        self._log_thread = threading.Thread(
            target=self._log_stderr, name=f"flowrun-worker-{name}", daemon=True
        )
        self._log_thread.start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def load(self) -> None:
        """Wait, at most `START_TIMEOUT`, until the model is loaded; sets `declared`, its attributes
        that make its signature. Raises `ModelError`."""
        header, _ = self._exchange(START_TIMEOUT, "load", lambda: script.receive(self._output))
        self.declared = header["declared"]

    def __call__(self, given: Mapping[str, Tensor]) -> Outputs:
        """Call the model. Waits at most `RESPONSE_TIMEOUT`; raises `ModelError`."""

        def exchange() -> tuple[dict[str, Any], dict[str, Any]]:
            script.send(cast(BinaryIO, self._process.stdin), {}, given)
            return script.receive(self._output)

        header, tensors = self._exchange(RESPONSE_TIMEOUT, "respond", exchange)
        if header.get("nothing"):
            return None
        return tensors

    def kill(self) -> None:
        """Kill the process; a call that waits for it fails. From any thread."""
        if not self.alive:
            return
        if os.name == "posix":
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        else:
            self._process.kill()

    def close(self) -> None:
        """Let the model close within `CLOSE_TIMEOUT`, and end the process. Idempotent; not while a
        call is running, unless the process was killed."""
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # the process has ended and cannot read what is left
                cast(BinaryIO, pipe).close()
        try:
            self._process.wait(2 * script.CLOSE_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._log_thread.join(STDERR_TIMEOUT)
        self._on_closed(self)

    @property
    def _output(self) -> BinaryIO:
        return cast(BinaryIO, self._process.stdout)

    def _exchange(
        self,
        seconds: float,
        doing: str,
        exchange: Callable[[], tuple[dict[str, Any], dict[str, Any]]],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        timer = threading.Timer(seconds, self._expire)
        timer.daemon = True
        timer.start()
        try:
            header, tensors = exchange()
        except (OSError, EOFError, ValueError) as error:  # ValueError: closed by another thread
            self.kill()
            self.close()
            raise ModelError(self._failure(seconds, doing), unusable=True) from error
        finally:
            timer.cancel()
        if "error" in header:
            unusable = header.get("unusable", False)
            if unusable:
                self.close()
            raise ModelError(header["error"], unusable=unusable)
        return header, tensors

    def _expire(self) -> None:
        self._timed_out = True
        self.kill()

    def _failure(self, seconds: float, doing: str) -> str:
        if self._timed_out:
            text = f"did not {doing} within {seconds:g} s; its worker was killed"
        else:
            text = f"failed: its worker {_exit(self._process.returncode)}"
        output = " / ".join(self._last_lines)
        last = output if len(output) <= _LONGEST else f"…{output[1 - _LONGEST :]}"
        return f"{text}; its last output: {last}" if last else text

    def _log_stderr(self) -> None:
        with cast(BinaryIO, self._process.stderr) as lines:
            for line in lines:
                text = line.decode(errors="replace").rstrip()
                if text:
                    self._last_lines.append(text)
                    _log.info("%s: %s", self._name, text)


def _exit(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
