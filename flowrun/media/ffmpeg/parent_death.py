"""Have the kernel kill a child process when this process ends, however that happens (Linux).

An ffmpeg that waits for its source notices the end of flowrun only when it writes to a closed pipe,
which may be never. The parent-death signal, prctl(2), is sent when the *thread* that has started
the child ends. So one thread, which lasts as long as the process, starts all of them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue

Start = Callable[[], "subprocess.Popen[bytes]"]

# Runs between fork and exec, in a Python of 15 ms: `preexec_fn` is not safe beside other threads.
# 1 is PR_SET_PDEATHSIG; 13 and 25 are SIGPIPE and SIGXFSZ, which Python has set to be ignored.
_PRELUDE = """\
import ctypes, os, sys
libc = ctypes.CDLL(None)
libc.prctl(1, 9)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
for number in (13, 25):
    libc.signal(number, None)
os.execv(sys.argv[2], sys.argv[2:])
"""

_lock = threading.Lock()
_starts: SimpleQueue[tuple[Start, Future[subprocess.Popen[bytes]]]] = SimpleQueue()
_thread: threading.Thread | None = None


def killed_with_parent(command: Sequence[str], platform: str = sys.platform) -> list[str]:
    """`command` as one that is killed when the thread that starts it ends; elsewhere than on Linux,
    as it is. Raises `FileNotFoundError` if there is no such program."""
    if platform != "linux" or not sys.executable:
        return list(command)
    program = shutil.which(command[0])
    if program is None:
        raise FileNotFoundError(2, "there is no such program", command[0])
    return [
        *(sys.executable, "-I", "-S", "-c", _PRELUDE, str(os.getpid())),
        *(program, *command[1:]),
    ]


def on_lasting_thread(start: Start) -> subprocess.Popen[bytes]:
    """What `start` returns or raises, called on a thread that ends with the process."""
    global _thread  # noqa: PLW0603
    with _lock:
        if _thread is None or not _thread.is_alive():  # after a fork it is not
            _thread = threading.Thread(target=_run, name="ffmpeg-starter", daemon=True)
            _thread.start()
    started: Future[subprocess.Popen[bytes]] = Future()
    _starts.put((start, started))
    return started.result()


def _run() -> None:
    while True:
        start, started = _starts.get()
        try:
            started.set_result(start())
        except BaseException as error:
            started.set_exception(error)
        del start, started
