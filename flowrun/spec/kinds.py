"""Which kind of source or sink a URI names. The one place where URIs are told apart."""

from __future__ import annotations

import re
from typing import Literal, cast

SourceKind = Literal["camera", "rtsp", "http", "test", "file"]
SinkKind = Literal["null", "screen", "web", "rtsp", "jsonl", "video"]

# HOST:PORT to listen on; port 0 is one that is free.
_ADDRESS = (
    r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])"
    r":(0|[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
)

# The first pattern that matches decides; what none matches is a path (`file`) or an error (sinks).
SOURCE_PATTERNS: dict[str, str] = {
    "camera": r"camera:.+|\d+",
    "rtsp": r"(?i:rtsps?)://.+",
    "http": r"(?i:https?)://.+",
    "test": r"test(:\d+x\d+(@\d+(\.\d+)?)?)?",
}
SINK_PATTERNS: dict[str, str] = {
    "null": r"null",
    "screen": r"screen",
    "web": rf"web(:{_ADDRESS})?",
    "rtsp": r"(?i:rtsps?)://.+",
    "jsonl": r"(?i:.+\.jsonl)",
    "video": r"(?i:.+\.(mp4|mkv|avi|mov|webm))",
}
# Whether it cannot wait for whoever is slow; `None`: that is known once it is open.
LIVE: dict[SourceKind, bool | None] = {
    "camera": True,
    "rtsp": True,
    "http": None,  # a video of known length is read like a file
    "test": False,
    "file": False,
}


def source_kind(uri: str) -> SourceKind:
    """The kind of source `uri` names; whatever is nothing else is a file."""
    return cast(SourceKind, _first_match(SOURCE_PATTERNS, uri) or "file")


def sink_kind(uri: str) -> SinkKind:
    """The kind of sink `uri` names; raises `ValueError` for a path without a known ending."""
    kind = _first_match(SINK_PATTERNS, uri)
    if kind is None:
        raise ValueError(f"no sink of flowrun writes to {uri!r}")
    return cast(SinkKind, kind)


def _first_match(patterns: dict[str, str], uri: str) -> str | None:
    return next((kind for kind, pattern in patterns.items() if re.fullmatch(pattern, uri)), None)
