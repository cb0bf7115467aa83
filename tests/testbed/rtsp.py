"""GStreamer's RTSP server, and the stamps in the pictures that it sends."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from flowrun.media.ffmpeg.process import executable
from tests.testbed.process import (
    READY_WITHIN,
    NotReadyError,
    Process,
    first_line,
    free_ports,
    running,
)

_SCRIPT = Path(__file__).parent / "run_rtsp.py"


class RtspServer:
    """An RTSP server with the mounts of `run_rtsp.py`, which may be killed, paused and started
    again at the same port."""

    def __init__(self, python: str, folder: Path, file: Path | None) -> None:
        (self.port,) = free_ports(1)
        self.log = folder / "log"
        self.log.touch()
        self._folder = folder
        self._command = [python, str(_SCRIPT), str(self.port), str(folder)]
        self._command += ["--file", str(file)] if file else []
        self._running = contextlib.ExitStack()
        self._process: Process | None = None

    def start(self) -> None:
        """Return when the server listens. Raises `NotReadyError`."""
        ready, given = os.pipe()
        with open(ready, "rb") as pipe:
            try:
                process = self._running.enter_context(
                    running(self._command, self.log, stdout=given)
                )
            finally:
                os.close(given)
            if first_line(process, self.log, pipe) != "ready":
                raise NotReadyError(process, "did not get ready", self.log)
        self._process = process

    def kill(self) -> None:
        """End it at once; no connection is closed properly."""
        self._running.close()

    def pause(self) -> None:
        """Stop sending and answering; the connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> int:
        """Send SIGTERM and return the exit status."""
        self._signal(signal.SIGTERM)
        assert self._process is not None
        return self._process.wait(READY_WITHIN)

    def url(self, mount: str) -> str:
        """`url("live")`; `run_rtsp.py` lists the mounts."""
        return f"rtsp://127.0.0.1:{self.port}/{mount}"

    def recordings(self, name: str) -> list[Path]:
        """The files of what was sent to `record/NAME`, one for each session, in their order."""
        files = self._folder.glob(f"{name}-*.mkv")
        return sorted(files, key=lambda path: int(path.stem.rpartition("-")[2]))

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)


@dataclass(frozen=True)
class Stamp:
    """The data in a picture of `/live`: the time in ms at which the picture was made, by
    `time.monotonic()`, and its number. `shown` is the time in ms at which a recording shows it."""

    made: int
    number: int
    shown: float = 0.0


def read_stamp(picture: Any) -> Stamp:
    """Read the stamp of one picture, 640x360, grey or of several channels. Raises `ValueError` if
    it cannot be read."""
    rows = np.asarray(picture)[:40].reshape(2, 20, 32, 20, -1)
    blocks = rows[:, 5:15, :, 5:15].mean(axis=(1, 3, 4))  # their middles
    made, number_and_check = (int(row.dot(1 << np.arange(32)[::-1])) for row in blocks > 127)
    number, check = divmod(number_and_check, 1 << 16)
    if check != 0xFFFF ^ (made >> 16) ^ (made & 0xFFFF) ^ number:
        raise ValueError(f"no stamp: {blocks.round().tolist()}")
    return Stamp(made, number)


def read_stamps(path: Path, *, others: bool = False) -> list[Stamp]:
    """Read the stamps of all pictures of a recording of 16:9. With `others=True` pictures without
    a stamp are skipped; otherwise they are a `ValueError`."""
    top = "crop=iw:ih/9:0:0,scale=640:40,format=gray"
    every = ("-map", "0:V:0", "-fps_mode", "passthrough")
    shown = ("-enc_time_base", "1:1000000", "-c:v", "wrapped_avframe", "-f", "framecrc")
    lines = path.with_suffix(".times")
    done = subprocess.run(
        [
            *(executable(), "-nostdin", "-loglevel", "error", "-copyts", "-i", str(path)),
            *(*every, "-vf", top, "-f", "rawvideo", "pipe:1", *every, *shown, str(lines)),
        ],
        capture_output=True,
        timeout=60,
        check=True,
    )
    times = re.findall(r"^0, +-?\d+, +(-?\d+)", lines.read_text(), re.MULTILINE)
    lines.unlink()
    pictures = np.frombuffer(done.stdout, np.uint8).reshape(len(times), 40, 640)
    found = []
    for picture, micros in zip(pictures, times, strict=True):
        with contextlib.suppress(ValueError) if others else contextlib.nullcontext():
            found.append(replace(read_stamp(picture), shown=int(micros) / 1000))
    return found
