"""List the cameras of this machine."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flowrun.errors import RunError
from flowrun.media.ffmpeg.process import Process
from flowrun.media.ffmpeg.stderr import LOG_LEVEL

SYSFS = Path("/sys/class/video4linux")
_TIMEOUT = 10.0  # seconds for ffmpeg to list devices; drivers on Windows are slow
_LIST_OPTIONS = {
    "darwin": ("-f", "avfoundation", "-list_devices", "true", "-i", ""),
    "win32": ("-f", "dshow", "-list_devices", "true", "-i", "dummy"),
}
# The prefix of a line in ffmpeg's log: its component, which differs between versions, and level.
_PREFIX = re.compile(r"^(?:\[[^\[\]]+ @ [^\[\]]+\] ?)*(?:\[[a-z]+\] ?)?\s*")
_NUMBERED = re.compile(r"\[(?P<number>\d+)\] (?P<name>.+)")
_TYPED = re.compile(r'"(?P<name>.+)" \((?P<types>[a-z, ]*)\)')
_ALTERNATIVE = re.compile(r'Alternative name "(?P<name>.+)"')
_VIDEO_CATEGORY = "{860bb310-5d01-11d0-bd3b-00a0c911ce86}"


@dataclass(frozen=True, slots=True)
class Device:
    """A camera: its `uri` in a flow, the `name` from its maker, and its `address` for ffmpeg."""

    uri: str
    name: str
    address: str


def devices(platform: str = sys.platform) -> list[Device]:
    """The cameras of this machine, in the order of their numbers; none is opened.

    On macOS and Windows this runs ffmpeg: it blocks up to ten seconds, and raises `RunError` if
    ffmpeg does not finish.
    """
    if platform == "darwin":
        return parse_avfoundation(_list(platform))
    if platform == "win32":
        return parse_dshow(_list(platform))
    return read_sysfs()


def read_sysfs(folder: Path = SYSFS) -> list[Device]:
    """The cameras in sysfs of Linux: the first node of each, because further ones carry metadata
    instead of pictures."""
    found = []
    for node in folder.glob("video*"):
        number = node.name.removeprefix("video")
        if number.isdigit() and _text(node / "index") in ("0", None):
            found.append((int(number), _text(node / "name") or node.name))
    return [Device(f"camera:{n}", name, f"/dev/video{n}") for n, name in sorted(found)]


def parse_avfoundation(lines: Iterable[str]) -> list[Device]:
    """Parse ffmpeg's list of devices on macOS, without screens and microphones."""
    found, video = [], False
    for line in map(_message, lines):
        if line.startswith("AVFoundation "):
            video = "video devices" in line
        elif video and (match := _NUMBERED.fullmatch(line)):
            number, name = match["number"], match["name"]
            if not name.startswith("Capture screen "):
                found.append(Device(f"camera:{number}", name, number))
    return found


def parse_dshow(lines: Iterable[str]) -> list[Device]:
    """Parse the list of ffmpeg 5 and later on Windows. DirectShow does not number devices: the
    numbers are flowrun's, in the order of the list. The address is the unique name of a device."""
    pairs: list[tuple[str, str, str]] = []
    for line in map(_message, lines):
        if match := _TYPED.fullmatch(line):
            pairs.append((match["name"], match["types"], match["name"]))
        elif (match := _ALTERNATIVE.fullmatch(line)) and pairs:
            pairs[-1] = (*pairs[-1][:2], match["name"])
    cameras = [
        (name, address)
        for name, types, address in pairs
        # A virtual camera may have the type "none"; its address contains the category.
        if "video" in types or _VIDEO_CATEGORY in address.lower()
    ]
    return [Device(f"camera:{n}", name, address) for n, (name, address) in enumerate(cameras)]


def query_ffmpeg(arguments: Iterable[str]) -> list[str]:
    """Run ffmpeg with `arguments`, and return the lines of its standard error. The exit status is
    ignored: it is an error whenever ffmpeg only lists something."""
    lines: list[str] = []
    process = Process([*LOG_LEVEL, "-nostdin", *arguments], on_line=lines.append)
    try:
        if process.wait(_TIMEOUT) is None:
            raise RunError(f"ffmpeg did not list the cameras within {_TIMEOUT:g} s")
    finally:
        process.close()
    return lines


def _list(platform: str) -> list[str]:
    return query_ffmpeg(_LIST_OPTIONS[platform])


def _message(line: str) -> str:
    return _PREFIX.sub("", line, count=1).rstrip()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:  # missing in old kernels, or a camera just removed
        return None
