"""Build ffmpeg's input options for a camera on Linux, macOS and Windows."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence

from flowrun.errors import SourceError
from flowrun.media.ffmpeg.devices import Device, devices, query_ffmpeg

Size = tuple[int, int]

# No packets are buffered for probing, and no decoder holds frames back.
LOW_DELAY = ("-fflags", "nobuffer", "-flags", "low_delay")
_MAX_RAW = 640 * 480  # pixels; larger raw pictures at 30 fps exceed USB 2
_MJPEG = re.compile(r"Compressed: +mjpeg : .*? :(?P<sizes>.*)")


def open_options(
    uri: str, size: Size | None, fps: float | None, platform: str = sys.platform
) -> list[str]:
    """Find the camera at `uri`, such as `camera:0`, and return its input options.

    Blocks while ffmpeg lists devices, where that is necessary. Raises `SourceError`, "not found",
    if there is no such camera.
    """
    name = uri.removeprefix("camera:")
    address = locate(name, platform, lambda: devices(platform))
    if platform not in ("darwin", "win32"):
        if not os.path.exists(address):
            raise _missing(name, devices(platform))
        formats = ("-f", "v4l2", "-list_formats", "compressed", "-i", address)
        if _is_large(size) and offers_mjpeg(query_ffmpeg(formats), size):
            return camera_input(address, size, fps, platform, mjpeg=True)
    return camera_input(address, size, fps, platform)


def camera_input(
    address: str, size: Size | None, fps: float | None, platform: str, *, mjpeg: bool = False
) -> list[str]:
    """ffmpeg's input options for the camera at `address`, the last two `-i …`.

    Presentation times are those of the driver. On Linux the driver chooses the nearest size and
    rate that it supports; on macOS and Windows an unsupported one is an error.
    """
    video_size = ["-video_size", f"{size[0]}x{size[1]}"] if size else []
    rate = ["-framerate", f"{fps:.10g}"] if fps else []
    if platform == "darwin":
        # Few of these cameras support ffmpeg's defaults, 29.97 frames per second and planar
        # pictures. "none" stands for the microphone.
        rate = rate or ["-framerate", "30"]
        pixels = ["-pixel_format", "uyvy422"]
        inputs = ["-i", f"{address}:none"]
        return [*LOW_DELAY, "-f", "avfoundation", *pixels, *rate, *video_size, *inputs]
    if platform == "win32":
        # Its queue drops the newest frame when it is full. A capacity of four frames absorbs short
        # delays and keeps frames from getting stale.
        width, height = size or (1920, 1080)
        capacity = ["-rtbufsize", str(4 * width * height * 2)]
        return [*LOW_DELAY, "-f", "dshow", *capacity, *rate, *video_size, "-i", f"video={address}"]
    codec = ["-input_format", "mjpeg"] if mjpeg else []
    return [*LOW_DELAY, "-f", "v4l2", *codec, *rate, *video_size, "-i", address]


def locate(name: str, platform: str, find: Callable[[], Sequence[Device]]) -> str:
    """ffmpeg's address for the camera `name`, which is a number, a path or its maker's name.

    Calls `find` only if the name alone is not enough. Raises `SourceError`.
    """
    if platform == "win32" and name.startswith("@device"):
        return name
    if platform == "darwin" and name.isdigit():
        return name
    if platform not in ("darwin", "win32"):
        if name.isdigit():
            return f"/dev/video{name}"
        if name.startswith("/"):
            return name
    found = find()
    for device in found:
        if name in (device.name, device.uri.removeprefix("camera:")):
            return device.address
    raise _missing(name, found)


def offers_mjpeg(lines: Iterable[str], size: Size | None) -> bool:
    """Whether a camera compresses frames of `size`, from ffmpeg's list of its formats."""
    for line in lines:
        if match := _MJPEG.search(line):
            sizes = match["sizes"]
            return size is None or "{" in sizes or f"{size[0]}x{size[1]}" in sizes.split()
    return False


def _is_large(size: Size | None) -> bool:
    return size is not None and size[0] * size[1] > _MAX_RAW


def _missing(name: str, found: Sequence[Device]) -> SourceError:
    listed = ", ".join(f"{device.uri} ({device.name})" for device in found)
    return SourceError(
        f"there is no camera {name}",
        reason="not found",
        key="source",
        hint=f"`flowrun devices` finds {listed or 'none on this machine'}",
    )
