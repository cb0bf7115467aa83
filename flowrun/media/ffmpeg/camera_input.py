"""How ffmpeg is told to read a camera: on Linux, macOS and Windows."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence

from flowrun.errors import SourceError
from flowrun.media.ffmpeg.devices import Device, ask, devices

Size = tuple[int, int]

# Nothing waits to be looked at before it is passed on, and no decoder holds frames back.
LOW_DELAY = ("-fflags", "nobuffer", "-flags", "low_delay")
_RAW_IS_SLOW = 640 * 480  # pixels; beyond it raw pictures at 30 fps are too much for USB 2
_MJPEG = re.compile(r"Compressed: +mjpeg : .*? :(?P<sizes>.*)")


def open_options(
    uri: str, size: Size | None, fps: float | None, platform: str = sys.platform
) -> list[str]:
    """The input options for the camera at `uri`, such as `camera:0`, after looking for it.

    Blocks for the time that ffmpeg takes to list devices, where it must be asked. Raises
    `SourceError`, "not found", if there is no such camera.
    """
    name = uri.removeprefix("camera:")
    address = locate(name, platform, lambda: devices(platform))
    if platform not in ("darwin", "win32"):
        if not os.path.exists(address):
            raise _missing(name, devices(platform))
        formats = ("-f", "v4l2", "-list_formats", "compressed", "-i", address)
        if _is_large(size) and offers_mjpeg(ask(formats), size):
            return camera_input(address, size, fps, platform, mjpeg=True)
    return camera_input(address, size, fps, platform)


def camera_input(
    address: str, size: Size | None, fps: float | None, platform: str, *, mjpeg: bool = False
) -> list[str]:
    """ffmpeg's input options for the camera it knows as `address`, the last two `-i …`.

    Presentation times are those of the driver. On Linux the driver takes the nearest size and
    rate that it has; on macOS and Windows one that the camera lacks is an error.
    """
    asked = ["-video_size", f"{size[0]}x{size[1]}"] if size else []
    rate = ["-framerate", f"{fps:.10g}"] if fps else []
    if platform == "darwin":
        # ffmpeg's own choices, 29.97 frames per second and planar pictures, are what few of these
        # cameras have. "none" stands for the microphone.
        rate = rate or ["-framerate", "30"]
        pixels = ["-pixel_format", "uyvy422"]
        return [*LOW_DELAY, "-f", "avfoundation", *pixels, *rate, *asked, "-i", f"{address}:none"]
    if platform == "win32":
        # Its queue drops the newest frame when it is full: room for four, so that it neither drops
        # at every hiccup nor grows old.
        width, height = size or (1920, 1080)
        room = ["-rtbufsize", str(4 * width * height * 2)]
        return [*LOW_DELAY, "-f", "dshow", *room, *rate, *asked, "-i", f"video={address}"]
    codec = ["-input_format", "mjpeg"] if mjpeg else []
    return [*LOW_DELAY, "-f", "v4l2", *codec, *rate, *asked, "-i", address]


def locate(name: str, platform: str, look: Callable[[], Sequence[Device]]) -> str:
    """What ffmpeg calls the camera `name`: a number, a path or its maker's name for it.

    `look` is called only where the name itself does not say. Raises `SourceError`.
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
    found = look()
    for device in found:
        if name in (device.name, device.uri.removeprefix("camera:")):
            return device.address
    raise _missing(name, found)


def offers_mjpeg(lines: Iterable[str], size: Size | None) -> bool:
    """Whether a camera compresses pictures of `size`, from ffmpeg's list of its formats."""
    for line in lines:
        if match := _MJPEG.search(line):
            sizes = match["sizes"]
            return size is None or "{" in sizes or f"{size[0]}x{size[1]}" in sizes.split()
    return False


def _is_large(size: Size | None) -> bool:
    return size is not None and size[0] * size[1] > _RAW_IS_SLOW


def _missing(name: str, found: Sequence[Device]) -> SourceError:
    listed = ", ".join(f"{device.uri} ({device.name})" for device in found)
    return SourceError(
        f"there is no camera {name}",
        reason="not found",
        key="source",
        hint=f"`flowrun devices` finds {listed or 'none on this machine'}",
    )
