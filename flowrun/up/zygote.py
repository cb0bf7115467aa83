"""A process that has imported everything, and forks for each flow.

A fork shares the memory of the modules and starts in milliseconds instead of a second. It must have
no threads that hold locks, and gRPC must not have been used: importing it starts nothing. (The
threads of numpy's OpenBLAS end before a fork, by its own handler.) Linux only: the libraries of
macOS do not support forks.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import time
import warnings
from typing import Any

_GRACE = 12.0  # seconds for the processes to end by themselves when the supervisor is dead
MESSAGE = 4096  # bytes, at most


def serve(channel: socket.socket) -> bool:
    """Fork for each message of the supervisor until it closes `channel`, a SOCK_SEQPACKET.

    Returns true in each forked process, with its standard input and error, in a session of its own;
    false at the end, when all of these have ended.
    """
    gc.collect()
    gc.freeze()  # the collector would write to, and so copy, the pages of all objects
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
    woken, waking = socket.socketpair()
    for each in (woken, waking):
        each.setblocking(False)
    signal.set_wakeup_fd(waking.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    running: dict[int, int] = {}  # the supervisor's number of each process, by pid
    while True:
        ready = select.select([channel, woken], [], [])[0]
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                woken.recv(MESSAGE)
            _reap(channel, running)
        if channel not in ready:
            continue
        data, descriptors, _, _ = socket.recv_fds(channel, MESSAGE, 2)
        if not data:
            break
        message = json.loads(data)
        if "kill" in message:
            for pid, number in running.items():
                if number == message["kill"]:
                    os.kill(pid, signal.SIGKILL)
            continue
        pid = os.fork()
        if not pid:
            for each in (channel, woken, waking):
                each.close()
            _become(descriptors)
            return True
        for descriptor in descriptors:
            os.close(descriptor)
        running[pid] = message["start"]
        _send(channel, {"number": message["start"], "pid": pid})
    _end(channel, running)
    return False


def _become(descriptors: list[int]) -> None:
    """Undo in a forked process what is the zygote's."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    for target, descriptor in zip((0, 2), descriptors, strict=True):
        os.dup2(descriptor, target)
        os.close(descriptor)


def _reap(channel: socket.socket, running: dict[int, int]) -> None:
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        number = running.pop(pid, None)
        if number is not None:
            _send(channel, {"number": number, "status": os.waitstatus_to_exitcode(status)})


def _end(channel: socket.socket, running: dict[int, int]) -> None:
    end = time.monotonic() + _GRACE
    while running and time.monotonic() < end:
        _reap(channel, running)
        time.sleep(0.05)
    for pid in running:
        os.kill(pid, signal.SIGKILL)


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the supervisor is dead
        channel.send(json.dumps(message).encode())
