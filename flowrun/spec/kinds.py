"""Find the kind of source or sink of a URI; only this module distinguishes URIs."""

from __future__ import annotations

import re
from typing import Literal, cast

SourceKind = Literal["camera", "rtsp", "stream", "http", "test", "file"]
SinkKind = Literal[
    "null", "screen", "web", "rtsp", "stream", "hls", "video", "jsonl", "stdout", "mqtt", "webhook"
]  # fmt: skip

# HOST:PORT to listen on; port 0 is any free port.
_ADDRESS = (
    r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])"
    r":(0|[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
)

# The first pattern that matches decides; without a match it is a path (`file`) or an error (sinks).
SOURCE_PATTERNS: dict[str, str] = {
    "camera": r"camera:.+|\d+",
    "rtsp": r"(?i:rtsps?)://.+",
    "stream": r"(?i:rtmps?|srt|udp|rtp)://.+",
    "http": r"(?i:https?)://.+",
    "test": r"test(:\d+x\d+(@\d+(\.\d+)?)?)?",
}
SINK_PATTERNS: dict[str, str] = {
    "null": r"null",
    "screen": r"screen",
    "web": rf"web(:{_ADDRESS})?",
    "rtsp": r"(?i:rtsps?)://.+",
    "stream": r"(?i:rtmps?|srt|udp)://.+",
    "stdout": r"-",
    "mqtt": r"(?i:mqtts?)://.+",
    "webhook": r"(?i:https?)://.+",
    "jsonl": r"(?i:.+\.jsonl)",
    "hls": r"(?i:.+\.m3u8)",
    "video": r"(?i:.+\.(mp4|mkv|avi|mov|webm|ts))",
}
FILE_SINKS: frozenset[SinkKind] = frozenset({"jsonl", "video"})
LINE_SINKS: frozenset[SinkKind] = frozenset(
    {"jsonl", "stdout", "mqtt", "webhook"}
)  # which need no pictures
# Whether the source cannot wait for slow stages; `None`: known once it is open.
LIVE: dict[SourceKind, bool | None] = {
    "camera": True,
    "rtsp": True,
    "stream": True,
    "http": None,  # a video of known length is read like a file
    "test": False,
    "file": False,
}


def source_kind(uri: str) -> SourceKind:
    """The kind of source of `uri`; a file if no pattern matches."""
    return cast(SourceKind, _first_match(SOURCE_PATTERNS, uri) or "file")


def sink_kind(uri: str) -> SinkKind:
    """The kind of sink of `uri`. Raises `ValueError` for a path with an unsupported suffix."""
    kind = _first_match(SINK_PATTERNS, uri)
    if kind is None:
        raise ValueError(f"{uri!r} is not a supported sink")
    return cast(SinkKind, kind)


def _first_match(patterns: dict[str, str], uri: str) -> str | None:
    return next((kind for kind, pattern in patterns.items() if re.fullmatch(pattern, uri)), None)
