"""Start a server as a process, wait until it is ready, and end it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

READY_WITHIN = 60.0  # seconds until a server must be ready; a guard against hanging
_POLL = 0.05  # seconds between two questions

Process = subprocess.Popen[bytes]


class NotReadyError(RuntimeError):
    """A server ended or did not get ready; the message has the end of its log."""

    def __init__(self, process: Process, what: str, log: Path) -> None:
        super().__init__(f"{process.args!r} {what}\n{tail(log)}")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 on which nothing listens."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def running(
    command: Sequence[str],
    log: Path,
    *,
    stdout: int | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Iterator[Process]:
    """Run `command` in the folder of its log while the block runs, in a process group of its own.
    At the end of the block the group is killed."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output if stdout is None else stdout,
            stderr=output,
            start_new_session=True,
            pass_fds=pass_fds,
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until_ready(process: Process, log: Path, is_ready: Callable[[], bool]) -> None:
    """Ask `is_ready` until it is true. Raises `NotReadyError`."""
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end:
        if is_ready():
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise NotReadyError(process, f"ended with status {process.wait(_POLL)}", log)
    raise NotReadyError(process, f"was not ready within {READY_WITHIN:.0f} s", log)


def until(is_so: Callable[[], object], otherwise: str) -> None:
    """Ask `is_so`, which is about a file or another process, until it is true; raise
    `AssertionError` with the text `otherwise` if it does not become true."""
    end = time.monotonic() + READY_WITHIN
    while not is_so():
        assert time.monotonic() < end, otherwise
        time.sleep(_POLL)


def until_printed(process: subprocess.Popen[str], line: str) -> None:
    """Read the standard error of `process` up to `line`, which a hook prints there."""
    assert process.stderr is not None
    before = []
    for each in iter(process.stderr.readline, ""):
        if each == f"{line}\n":
            return
        before.append(each)
    raise AssertionError(f"{line!r} was not printed: {''.join(before)}")


def first_line(process: Process, log: Path, pipe: IO[Any]) -> str:
    """The first line that the process writes to `pipe`. Raises `NotReadyError`."""
    if not select.select([pipe], [], [], READY_WITHIN)[0]:
        raise NotReadyError(process, f"wrote nothing within {READY_WITHIN:.0f} s", log)
    line: bytes = pipe.readline()
    if not line:
        raise NotReadyError(process, "ended before it was ready", log)
    return line.decode().strip()


def tail(log: Path) -> str:
    """The end of a log."""
    return log.read_bytes()[-8000:].decode(errors="replace")
