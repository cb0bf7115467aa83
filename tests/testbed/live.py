"""An ffmpeg that receives a live stream into a file, or that sends one."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe

from tests.testbed.process import running, until


@contextlib.contextmanager
def receiver(url: str, file: Path) -> Iterator[None]:
    """Write what arrives at `url` into `file`, each packet at once, while the block runs."""
    command = [
        *(get_ffmpeg_exe(), "-loglevel", "error", "-nostdin", "-y"),
        *("-probesize", "100k", "-analyzeduration", "1M", "-i", url),
        *("-c", "copy", "-flush_packets", "1", "-f", "matroska", str(file)),
    ]
    with running(command, file.with_suffix(".log")) as process:
        yield
        process.send_signal(signal.SIGKILL)


def until_received(file: Path, size: int = 1) -> None:
    """Wait until `file` has at least `size` bytes."""
    until(lambda: file.exists() and file.stat().st_size >= size, f"{file} received nothing")


@contextlib.contextmanager
def sender(url: str, log: Path) -> Iterator[None]:
    """Send a moving picture, 320x240 at 15 frames a second, to `url` (UDP) while the block
    runs."""
    command = [
        *(get_ffmpeg_exe(), "-loglevel", "error", "-nostdin", "-re"),
        *("-f", "lavfi", "-i", "testsrc2=size=320x240:rate=15", "-pix_fmt", "yuv420p"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15"),
        *("-f", "mpegts", f"{url}?pkt_size=1316"),
    ]
    with running(command, log):
        yield
