"""The servers of the clients: an RTSP server that plays a recording as a camera, a model server."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.live.cases import Cameras
from benchmarks.live.processes import PROC
from benchmarks.servers import serving
from flowrun.media.ffmpeg.process import executable
from tests.testbed.rtsp import RtspServer

RTSP_PYTHON = "FLOWRUN_RTSP_PYTHON"
OPENCV_PYTHON = "FLOWRUN_OPENCV_PYTHON"
FPS = 30
_MODEL = "benchmarks.live.model:detect"
_MADE, _REPEATED = 5, 23  # seconds, and how often: two minutes, more than a round takes


@dataclass(frozen=True, slots=True)
class Site:
    url: str
    address: str
    models: tuple[str, ...]  # one for each camera: calls of one model would wait for each other


@contextmanager
def site(cameras: Cameras, folder: Path) -> Iterator[Site]:
    """Run the servers until the end of the block."""
    models = tuple(f"camera{number}" for number in range(cameras.count))
    files = folder / cameras.name
    files.mkdir()
    with ExitStack() as running:
        rtsp = RtspServer(os.environ[RTSP_PYTHON], files, recording(cameras, folder))
        running.callback(rtsp.kill)
        rtsp.start()
        address = running.enter_context(serving(*(f"{name}={_MODEL}" for name in models)))
        yield Site(rtsp.url("file"), address, models)


def recording(cameras: Cameras, folder: Path) -> Path:
    """Encode a moving pattern with noise like a camera: a constant bit rate, no B frames, a key
    frame every second; once per folder and size."""
    path = folder / f"live-{cameras.size}.mp4"
    if not path.exists():
        picture = f"testsrc2=s={cameras.size}:r={FPS},noise=alls=12:allf=t,format=yuv420p"
        rate = ("-b:v", cameras.bitrate, "-maxrate", cameras.bitrate, "-bufsize", cameras.bitrate)
        made = path.with_suffix(".made.mp4")
        _ffmpeg(
            *("-f", "lavfi", "-i", picture, "-t", str(_MADE), "-c:v", "libx264"),
            *("-preset", "veryfast", *rate, "-bf", "0", "-g", str(FPS), str(made)),
        )
        _ffmpeg("-stream_loop", str(_REPEATED), "-i", str(made), "-c", "copy", str(path))
    return path


def _ffmpeg(*words: str) -> None:
    command = [executable(), "-nostdin", "-hide_banner", "-loglevel", "error", *words]
    subprocess.run(command, check=True, timeout=600)


def missing() -> str | None:
    """The reason why no way can be measured, if any."""
    if not (PROC / "self" / "smaps_rollup").exists():
        return "CPU time and memory of other processes are read from Linux's /proc"
    if not os.environ.get(RTSP_PYTHON):
        return f"{RTSP_PYTHON} names no Python that has GStreamer's RTSP server"
    return None


def opencv_python() -> str | None:
    """The Python for the loop by hand, `None` without OpenCV."""
    if python := os.environ.get(OPENCV_PYTHON):
        return python
    return sys.executable if importlib.util.find_spec("cv2") else None
