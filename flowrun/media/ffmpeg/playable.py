"""Find out whether a video file plays."""

from __future__ import annotations

import subprocess
from pathlib import Path

from flowrun.media.ffmpeg.process import executable
from flowrun.system.malloc import environment

_TIMEOUT = 10.0  # seconds to decode one frame


def plays(path: Path) -> bool:
    """Whether ffmpeg can decode a frame of `path`; it takes about 0.1 s."""
    frame = ("-map", "0:v:0", "-frames:v", "1", "-c:v", "wrapped_avframe", "-f", "framecrc")
    command = [executable(), "-nostdin", "-loglevel", "quiet", "-i", f"file:{path}", *frame, "-"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_TIMEOUT,
            check=False,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return any(line and not line.startswith(b"#") for line in done.stdout.splitlines())
