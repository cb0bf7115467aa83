"""The display that tests of windows stand on."""

from __future__ import annotations

import subprocess

from flowrun.media.ffmpeg.process import executable


def test_the_display_can_be_photographed(display: str) -> None:
    command = [executable(), "-loglevel", "error", "-f", "x11grab", "-i", display]
    shot = subprocess.run(
        [*command, "-frames:v", "1", "-pix_fmt", "gray", "-f", "rawvideo", "-"],
        capture_output=True,
        timeout=60,
        check=True,
    ).stdout
    assert len(shot) == 1280 * 1024
