"""Parse ffmpeg's log of the input stream, which precedes the first frame."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from fractions import Fraction

from flowrun.frame import Timing, VideoInfo
from flowrun.media import colors, pixel_aspect
from flowrun.spec.flow import SourceSpec

log = logging.getLogger("flowrun")

_VIDEO = re.compile(r"Stream #\d+:\d+.*?: Video: (?P<rest>.*)")
_PIXELS = re.compile(r"\b(?P<format>[a-z][a-z0-9]*)\((?P<color>[^()]*)\)")
_ASPECT = re.compile(r"\bSAR (?P<numerator>\d+):(?P<denominator>\d+)")
_FORMAT = re.compile(r"[a-z]\w*\b(?=[(,])")
_FPS = re.compile(r"(?P<fps>[\d.]+)(?P<k>k?) fps")
_INPUT = re.compile(r"Input #0, (?P<format>.+), from '")
_ROTATION = re.compile(r"(?i)display ?matrix: rotation of (?P<degrees>-?[\d.]+) degrees")
_SIZE = re.compile(r", (\d+)x(\d+)\b")
# Every output reports the change.
_CHANGED = re.compile(r"Reconfiguring filter graph because video parameters changed to (.*)")
_DURATION = re.compile(r"Duration: (?P<h>\d+):(?P<m>\d\d):(?P<s>\d\d(?:\.\d+)?)")
_FIELD_ORDERS = {"progressive", "top first", "bottom first", "top coded first (swapped)"}


# Demuxers of streams without presentation times, for which ffmpeg assumes 25 frames per second.
_WITHOUT_TIMES = {"mpjpeg", "mjpeg", "jpeg_pipe", "h264", "hevc", "mpegvideo", "m4v", "image2pipe"}
_SEGMENTED = {"hls", "dash"}  # a segment at once


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What the container declares, in ffmpeg's names; `None` where unset, and square pixels."""

    fps: float | None = None
    color_range: str | None = None
    color_space: str | None = None
    color_primaries: str | None = None
    color_transfer: str | None = None
    pixel_format: str | None = None
    pixel_aspect: Fraction = pixel_aspect.SQUARE


class StreamInfoParser:
    """Read lines of standard error up to the first `Output #`, which sets `complete`. Afterwards a
    change of the size of the frames is logged, which ffmpeg scales to the first one."""

    def __init__(self) -> None:
        self.stream = StreamInfo()
        self.duration: float | None = None  # seconds
        self.format = ""  # ffmpeg's name of the demuxer, or its names
        self.rotation = 0  # degrees counterclockwise by which frames are to be turned
        self.complete = threading.Event()
        self._found = False
        self._size = ""  # of the last frame, after its rotation

    def video_info(
        self,
        spec: SourceSpec,
        size: tuple[int, int],
        tick: Fraction,
        *,
        live: bool | None,
    ) -> VideoInfo:
        """The properties of a source whose first frame has arrived. `size` is that after its
        rotation, the pixel aspect that before it. `tick` is the unit of its times in seconds;
        `live` `None`: live if its duration is unknown."""
        self.complete.wait(1.0)
        stream, duration = self.stream, self.duration
        timing = self.timing(live)
        fps = spec.fps or (None if timing == "arrival" else stream.fps)
        return VideoInfo(
            *size,
            fps=fps,
            duration=duration,
            frames=round(duration * fps) if duration and fps else None,
            time_base=tick,
            live=duration is None if live is None else live,
            timing=timing,
            color_range=stream.color_range,
            color_space=stream.color_space,
            color_primaries=stream.color_primaries,
            color_transfer=stream.color_transfer,
            pixel_aspect=stream.pixel_aspect,
        )

    def timing(self, live: bool | None = None) -> Timing:
        """What the times of the source are; `live` as that of `video_info`."""
        if live is False:
            return "stream"
        if self.duration is None and self.format in _WITHOUT_TIMES:
            return "arrival"
        return "bursts" if self.duration is None and self.format in _SEGMENTED else "stream"

    def feed(self, line: str) -> None:
        """Parse one line."""
        if self.complete.is_set():
            if "Video: wrapped_avframe" in line:  # the frames as they are
                self._size = "{}x{}".format(*_size(line))
            elif match := _CHANGED.search(line):
                self._check_size(_size(match[1]))
            return
        if "Output #" in line:
            self.complete.set()
        elif match := _DURATION.search(line):
            self.duration = int(match["h"]) * 3600 + int(match["m"]) * 60 + float(match["s"])
        elif match := _INPUT.search(line):
            self.format = match["format"]
        elif match := _ROTATION.search(line):
            self.rotation = round(float(match["degrees"]))
        elif (match := _VIDEO.search(line)) and not self._found and "attached pic" not in line:
            self._found = True
            self.stream = parse_stream(match["rest"])

    def _check_size(self, size: tuple[str, str]) -> None:
        width, height = reversed(size) if self.rotation % 180 else size
        old, self._size = self._size, f"{width}x{height}"
        if self._size != old:
            log.warning(
                "source: the frame size changed from %s to %s; frames are stretched to the first"
                " size, because `decoder: ffmpeg` cannot fit them without distortion",
                *(old, self._size),
            )


def _size(text: str) -> tuple[str, str]:
    match = _SIZE.search(text)
    return (match[1], match[2]) if match else ("?", "?")


def parse_stream(text: str) -> StreamInfo:
    """Parse the text after `Video:`, such as
    `h264 (High), yuv420p(tv, bt709/unknown/bt709, progressive), 640x480, 30 fps, 30 tbr`."""
    fps = None
    if match := _FPS.search(text):
        fps = float(match["fps"]) * (1000 if match["k"] else 1)
    color_range = space = primaries = transfer = None
    pixels = text.partition(", ")[2]
    pixel_format = match[0] if (match := _FORMAT.match(pixels)) else None
    if match := _PIXELS.search(pixels):
        for part in match["color"].split(", "):
            if part in ("tv", "pc"):
                color_range = part
            elif part not in _FIELD_ORDERS:
                # one name stands for all three
                names = part.split("/") if "/" in part else [part] * 3
                if len(names) == 3:  # noqa: PLR2004
                    known = [None if name in ("unknown", "reserved") else name for name in names]
                    space, primaries, transfer = known
    if space is None and colors.is_rgb(pixels):
        space = "gbr"
    # The container's own comes last, after the one of the codec, and counts.
    terms = [(int(match[1]), int(match[2])) for match in _ASPECT.finditer(text)]
    aspect = pixel_aspect.known(*terms[-1]) if terms else pixel_aspect.SQUARE
    return StreamInfo(fps or None, color_range, space, primaries, transfer, pixel_format, aspect)
