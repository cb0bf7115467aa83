"""Start the processes of flows as forks of a zygote."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from typing import Any

from flowrun.up.children import Child, OnEnd, OnLine, Pipes, exit_code
from flowrun.up.order import ABORT, STOP, Order
from flowrun.up.zygote import MESSAGE

_KILLED = 128 + 9
_POLL = 0.1  # seconds


class ForkLauncher:
    """Starts processes as forks of a zygote: `command` with the number of its socket. A zygote that
    was killed is replaced; the processes that it has started are stopped."""

    def __init__(self, command: Sequence[str], stdout: int | None = None) -> None:
        self._command = list(command)
        self._stdout = stdout
        self._count = 0
        self._closed = False
        self._zygote = _Zygote(self._command, stdout)

    def start(self, order: Order, on_line: OnLine, on_end: OnEnd) -> Child:
        if self._zygote.lost:
            self._zygote = _Zygote(self._command, self._stdout)
        self._count += 1
        return self._zygote.start(self._count, Pipes(order, on_line, on_end))

    def close(self) -> None:
        """End the zygote; its processes have ended before."""
        self._zygote.close()


class _Zygote:
    def __init__(self, command: list[str], stdout: int | None) -> None:
        self.lost = False
        self._children: dict[int, _Forked] = {}
        self._lock = threading.Lock()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._thread = threading.Thread(target=self._read, name="flowrun-zygote", daemon=True)
        self._thread.start()

    def start(self, number: int, pipes: Pipes) -> _Forked:
        child = _Forked(self, number, pipes)
        with self._lock:
            self._children[number] = child
        self.send({"start": number}, pipes.theirs)
        pipes.begin()
        if self.lost:
            self._forget(number, _KILLED)
        return child

    def send(self, message: dict[str, Any], descriptors: Sequence[int] = ()) -> None:
        with contextlib.suppress(OSError):  # it is lost, which the thread notices
            socket.send_fds(self._channel, [json.dumps(message).encode()], descriptors)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._channel.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2.0)
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._channel.recv(MESSAGE):
                message = json.loads(data)
                if "pid" in message:
                    self._children[message["number"]].pid = message["pid"]
                else:
                    self._forget(message["number"], exit_code(message["status"]))
        self.lost = True
        for child in list(self._children.values()):
            child.orphaned()

    def _forget(self, number: int, code: int) -> None:
        with self._lock:
            child = self._children.pop(number, None)
        if child is not None:
            child.pipes.ended(code)

    def orphan_ended(self, number: int) -> None:
        self._forget(number, _KILLED)


class _Forked:
    def __init__(self, zygote: _Zygote, number: int, pipes: Pipes) -> None:
        self.pid: int | None = None
        self.pipes = pipes
        self._zygote = zygote
        self._number = number

    def stop(self) -> None:
        self.pipes.send(STOP)

    def abort(self) -> None:
        self.pipes.send(ABORT)

    def kill(self) -> None:
        if not self._zygote.lost:
            self._zygote.send({"kill": self._number})
        elif self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def orphaned(self) -> None:
        """The zygote is dead: nobody reports the end of the process, which is stopped."""
        self.stop()
        threading.Thread(target=self._wait, name="flowrun-orphan", daemon=True).start()

    def _wait(self) -> None:
        over = threading.Event()
        while self.pid is not None and _exists(self.pid):
            over.wait(_POLL)
        self._zygote.orphan_ended(self._number)


def _exists(pid: int) -> bool:
    """Whether a process has not ended. Orphans are children of this process where it is the first
    one of a container: they exist until it has waited for them."""
    with contextlib.suppress(ChildProcessError):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
