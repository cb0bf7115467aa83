"""Find out whether a video file plays, and how much of it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from flowrun.media.ffmpeg.process import executable
from flowrun.system.malloc import environment

_TIMEOUT = 10.0  # seconds to decode one frame
_COUNT_TIMEOUT = 60.0  # seconds to read a whole file


def plays(path: Path) -> bool:
    """Whether ffmpeg can decode a frame of `path`; it takes about 0.1 s."""
    output = ("-frames:v", "1", "-c:v", "wrapped_avframe")
    return bool(_frames(path, output=output, timeout=_TIMEOUT))


def count_frames(path: Path) -> int | None:
    """The number of complete frames in `path`. Reads the whole file without decoding it; `None` if
    that takes longer than a minute."""
    # Without this flag, the last frame of a truncated file counts as far as it goes.
    source = ("-fflags", "+discardcorrupt")
    return _frames(path, source=source, output=("-c:v", "copy"), timeout=_COUNT_TIMEOUT)


def _frames(
    path: Path, *, source: Sequence[str] = (), output: Sequence[str], timeout: float
) -> int | None:
    """The number of frames that ffmpeg writes with these options; `None` if it does not end."""
    command = [executable(), "-nostdin", "-loglevel", "quiet", *source, "-i", f"file:{path}"]
    try:
        done = subprocess.run(
            [*command, "-map", "0:v:0", *output, "-f", "framecrc", "-"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout,
            check=False,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return sum(1 for line in done.stdout.splitlines() if line and not line.startswith(b"#"))
