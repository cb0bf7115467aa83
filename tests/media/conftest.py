"""Small recordings, made by ffmpeg."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flowrun.media.ffmpeg.process import executable

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def _made() -> dict[tuple[str, ...], bytes]:
    """What `make` has made, by its arguments."""
    return {}


@pytest.fixture
def make(tmp_path: Path, _made: dict[tuple[str, ...], bytes]) -> Make:
    """`make("name.mp4", "-vf", "…", source="testsrc2=s=64x48:r=25")`: 20 frames by
    default."""

    def make(name: str, *options: str, source: str = "testsrc2=s=64x48:r=25") -> Path:
        path = tmp_path / name
        arguments = (name, source, *options)
        if arguments in _made:
            path.write_bytes(_made[arguments])
            return path
        command = [executable(), "-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi"]
        frames = [] if "-t" in options else ["-frames:v", "20"]
        subprocess.run(
            [*command, "-i", source, *options, *frames, str(path)],
            check=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        if path.is_file():  # not the pattern of several
            _made[arguments] = path.read_bytes()
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
