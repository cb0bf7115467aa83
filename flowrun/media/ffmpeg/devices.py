"""Which cameras this machine has."""

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
_TIMEOUT = 10.0  # seconds for ffmpeg to look around; drivers on Windows take their time
_LISTS = {
    "darwin": ("-f", "avfoundation", "-list_devices", "true", "-i", ""),
    "win32": ("-f", "dshow", "-list_devices", "true", "-i", "dummy"),
}
# What ffmpeg's log puts before a line: who says it, which differs between versions, and the level.
_PREFIX = re.compile(r"^(?:\[[^\[\]]+ @ [^\[\]]+\] ?)*(?:\[[a-z]+\] ?)?\s*")
_NUMBERED = re.compile(r"\[(?P<number>\d+)\] (?P<name>.+)")
_TYPED = re.compile(r'"(?P<name>.+)" \((?P<types>[a-z, ]*)\)')
_ALTERNATIVE = re.compile(r'Alternative name "(?P<name>.+)"')
_VIDEO_CATEGORY = "{860bb310-5d01-11d0-bd3b-00a0c911ce86}"


@dataclass(frozen=True, slots=True)
class Device:
    """A camera: the `uri` for a flow, the `name` its maker gave it, and what ffmpeg calls it."""

    uri: str
    name: str
    address: str


def devices(platform: str = sys.platform) -> list[Device]:
    """The cameras of this machine, in the order of their numbers; none is opened.

    Blocks up to ten seconds on macOS and Windows, where ffmpeg is asked. Raises `RunError` if it
    gives no answer.
    """
    if platform == "darwin":
        return parse_avfoundation(_listed(platform))
    if platform == "win32":
        return parse_dshow(_listed(platform))
    return read_sysfs()


def read_sysfs(folder: Path = SYSFS) -> list[Device]:
    """Cameras as Linux lists them: the first node of each, for further ones carry no pictures but
    what the camera says about them."""
    found = []
    for node in folder.glob("video*"):
        number = node.name.removeprefix("video")
        if number.isdigit() and _text(node / "index") in ("0", None):
            found.append((int(number), _text(node / "name") or node.name))
    return [Device(f"camera:{n}", name, f"/dev/video{n}") for n, name in sorted(found)]


def parse_avfoundation(lines: Iterable[str]) -> list[Device]:
    """The cameras in ffmpeg's list of a Mac; its screens and microphones are left out."""
    found, video = [], False
    for line in map(_said, lines):
        if line.startswith("AVFoundation "):
            video = "video devices" in line
        elif video and (match := _NUMBERED.fullmatch(line)):
            number, name = match["number"], match["name"]
            if not name.startswith("Capture screen "):
                found.append(Device(f"camera:{number}", name, number))
    return found


def parse_dshow(lines: Iterable[str]) -> list[Device]:
    """The cameras in the list of ffmpeg 5 and later on Windows. DirectShow has no numbers: they
    are ours, in the order of the list, and the address is the name that no two devices share."""
    pairs: list[tuple[str, str, str]] = []
    for line in map(_said, lines):
        if match := _TYPED.fullmatch(line):
            pairs.append((match["name"], match["types"], match["name"]))
        elif (match := _ALTERNATIVE.fullmatch(line)) and pairs:
            pairs[-1] = (*pairs[-1][:2], match["name"])
    cameras = [
        (name, address)
        for name, types, address in pairs
        # A virtual camera may be of type "none"; its address says in which category it is.
        if "video" in types or _VIDEO_CATEGORY in address.lower()
    ]
    return [Device(f"camera:{n}", name, address) for n, (name, address) in enumerate(cameras)]


def ask(arguments: Iterable[str]) -> list[str]:
    """What ffmpeg says to `arguments`, line by line; its exit status is an error whenever it only
    lists something, and means nothing."""
    lines: list[str] = []
    process = Process([*LOG_LEVEL, "-nostdin", *arguments], on_line=lines.append)
    try:
        if process.wait(_TIMEOUT) is None:
            raise RunError(f"ffmpeg did not list the cameras within {_TIMEOUT:g} s")
    finally:
        process.close()
    return lines


def _listed(platform: str) -> list[str]:
    return ask(_LISTS[platform])


def _said(line: str) -> str:
    return _PREFIX.sub("", line, count=1).rstrip()


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:  # an attribute that old kernels lack, or a camera pulled out just now
        return None
