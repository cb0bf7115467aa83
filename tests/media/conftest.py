"""Small recordings, made by ffmpeg."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flowrun.media.ffmpeg.process import executable

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """`make("name.mp4", "-vf", "…", source="testsrc2=s=64x48:r=25")`: 20 frames by
    default."""

    def make(name: str, *options: str, source: str = "testsrc2=s=64x48:r=25") -> Path:
        path = tmp_path / name
        command = [executable(), "-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi"]
        frames = [] if "-t" in options else ["-frames:v", "20"]
        subprocess.run(
            [*command, "-i", source, *options, *frames, str(path)],
            check=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        return path

    return make


@pytest.fixture(params=["ffmpeg", "av"])
def decoder(request: pytest.FixtureRequest) -> str:
    """Each of the decoders of files, as `source.decoder` calls them."""
    if request.param == "av":
        request.getfixturevalue("pyav")
    return str(request.param)


@pytest.fixture(params=["ffmpeg", "av"])
def encoder(request: pytest.FixtureRequest) -> str:
    """Each of the encoders of video files, as `sink.encoder` calls them."""
    if request.param == "av":
        request.getfixturevalue("pyav")
    return str(request.param)
