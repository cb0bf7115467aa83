"""A video with a flash and a beep at the start of each second, and where they are in a file."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from flowrun.media.ffmpeg.process import executable
from tests.testbed.process import running

FLASH = 0.2  # seconds
_PACED = {"-f": ("-re", "-f")}  # before each input
_ENCODERS = {"mp3": "libmp3lame", "opus": "libopus"}  # where the name of the codec is not enough


def inputs(seconds: float, *, rate: int = 48_000) -> list[str]:
    """ffmpeg's options for the pictures (64x48 at 25 frames a second) and the sound."""
    is_on = rf"lt(mod(t\,1)\,{FLASH})"
    white = f"color=black:s=64x48:r=25:d={seconds},drawbox=color=white:t=fill:enable='{is_on}'"
    beep = rf"aevalsrc='if({is_on}\,0.5*sin(2*PI*1000*t)\,0)':s={rate}:d={seconds}"
    return ["-f", "lavfi", "-i", white, "-f", "lavfi", "-i", beep]


def encoding(codec: str = "aac") -> list[str]:
    video = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25")
    return [*video, "-c:a", _ENCODERS.get(codec, codec), "-strict", "-2"]


def clip(path: Path, seconds: float, codec: str = "aac", *options: str) -> Path:
    """Write such a video."""
    rate = 8_000 if "law" in codec else 48_000
    command = [executable(), "-loglevel", "error", "-nostdin", "-y", *inputs(seconds, rate=rate)]
    subprocess.run([*command, *encoding(codec), *options, str(path)], check=True, timeout=60)
    return path


@contextlib.contextmanager
def sender(url: str, container: str, log: Path, codec: str = "aac") -> Iterator[None]:
    """Send such a video to `url` at its own pace while the block runs."""
    rate = 8_000 if "law" in codec else 48_000
    each = (
        part
        for word in inputs(600, rate=rate)
        for part in (["-re", word] if word == "-f" else [word])
    )
    command = [executable(), "-loglevel", "error", "-nostdin", *each]
    with running([*command, *encoding(codec), "-f", container, url], log):
        yield


@dataclass(frozen=True)
class Heard:
    """Times in seconds: the onsets of flashes and beeps, the first frame and the end of the last
    one, the same of the sound; `packets` are those of the sound."""

    flashes: list[float]
    beeps: list[float]
    pictures: tuple[float, float]
    sound: tuple[float, float]
    packets: list[bytes]

    def out_of_step(self, after: float = -1.0) -> float:
        """The greatest distance between a flash and the nearest beep, from `after` on. (At the end
        of a file, the last packet may contain the start of a beep whose flash is in the next
        file.)"""
        flashes = [flash for flash in self.flashes if flash > after]
        return max(min(abs(flash - beep) for beep in self.beeps) for flash in flashes)

    def uncovered(self) -> float:
        """The greatest time at the start or the end in which there is a picture without sound, or
        sound without a picture."""
        return max(abs(a - b) for a, b in zip(self.pictures, self.sound, strict=True))


def heard(path: Path) -> Heard:
    """What is in the file."""
    brightness: list[tuple[float, float]] = []
    loudness: list[tuple[float, float]] = []
    end = 0.0
    with av.open(str(path)) as file:
        for frame in file.decode(video=0):
            step = frame.time - brightness[-1][0] if brightness else 0.0
            brightness.append((frame.time, float(frame.to_ndarray(format="gray").mean()) / 255))
            end = frame.time + (float(frame.duration * frame.time_base) or step)
    sound_end = 0.0
    with av.open(str(path)) as file:
        for part in file.decode(audio=0):
            samples = _mono(part.to_ndarray())
            count = samples.size
            rate = part.sample_rate
            loudness += [
                (part.time + at / rate, samples[at : at + 8].max()) for at in range(0, count, 8)
            ]
            sound_end = part.time + count / part.sample_rate
    with av.open(str(path)) as file:
        packets = [bytes(packet) for packet in file.demux(audio=0) if packet.size]
    return Heard(
        _onsets(brightness, 0.5),
        _onsets(loudness, 0.1),
        (brightness[0][0], end),
        (loudness[0][0], sound_end),
        packets,
    )


def _mono(samples: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    scale = np.iinfo(samples.dtype).max if samples.dtype.kind == "i" else 1.0
    return np.abs(np.asarray(samples[0], np.float64) / scale)


def _onsets(levels: list[tuple[float, float]], threshold: float) -> list[float]:
    """Where a level rises above `threshold` after it was below for half a flash."""
    found, last = [], -1.0
    for time, level in levels:
        if level > threshold:
            if time - last > FLASH / 2:
                found.append(time)
            last = time
    return found
