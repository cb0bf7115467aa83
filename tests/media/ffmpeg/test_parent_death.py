from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from flowrun.media.ffmpeg.parent_death import killed_with_parent
from flowrun.media.ffmpeg.process import Process, executable
from tests.testbed.process import free_ports, until

linux = pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")

PARENT = """
import signal, subprocess, sys, threading
from flowrun.media.ffmpeg.process import Process
started = []
thread = threading.Thread(target=lambda: started.append(Process(sys.argv[1:])))
thread.start()
thread.join()
print(started[0]._popen.pid, flush=True)
signal.pause()
"""


def silent_source() -> list[str]:
    """The arguments of an ffmpeg that waits for a sender, and does not read its standard input."""
    url = f"udp://127.0.0.1:{free_ports(1)[0]}"
    return ["-nostdin", "-loglevel", "error", "-i", url, "-f", "null", "-"]


@linux
def test_an_ffmpeg_that_waits_for_its_source_ends_with_a_killed_parent() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, *silent_source()], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    with parent:
        ffmpeg = int(parent.stdout.readline())
        until(lambda: executable() in Path(f"/proc/{ffmpeg}/cmdline").read_text(), "no ffmpeg")
        parent.send_signal(signal.SIGKILL)
    until(lambda: not _runs(ffmpeg), "the ffmpeg outlives its parent")


@linux
def test_an_ffmpeg_outlives_the_thread_that_started_it() -> None:
    started: list[Process] = []
    thread = threading.Thread(target=lambda: started.append(Process(silent_source())))
    thread.start()
    thread.join()
    assert started[0].wait(0.2) is None
    started[0].close()


@linux
def test_a_program_that_does_not_exist_is_an_error_before_the_start() -> None:
    with pytest.raises(FileNotFoundError):
        killed_with_parent(["no-such-program"])


def test_elsewhere_a_command_is_started_as_it_is() -> None:
    assert killed_with_parent(["ffmpeg", "-i", "x"], "darwin") == ["ffmpeg", "-i", "x"]
    assert killed_with_parent(["ffmpeg", "-i", "x"], "win32") == ["ffmpeg", "-i", "x"]


def _runs(pid: int) -> bool:
    """Whether the process exists and is not only waiting to be reaped."""
    try:
        os.kill(pid, 0)
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):
        return False
