"""Write raw pictures with exact times as a Matroska stream, for ffmpeg to read from a pipe.

The minimum of RFC 9559 for this: one track of uncompressed video in a segment of unknown size, and
a cluster for every frame. Times are nanoseconds.
"""

from __future__ import annotations

from typing import Literal

FOURCC = {"rgb": b"RGB\x18", "bgr": b"BGR\x18"}  # 24 bits per pixel

_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER = (
    "1A45DFA3",
    "18538067",
    "1549A966",
    "1654AE6B",
    "1F43B675",
)
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
_TRACK = 1


def header(
    width: int, height: int, color: Literal["rgb", "bgr"], *, duration_ns: int | None = None
) -> bytes:
    """The bytes before the first frame. `duration_ns` is the nominal duration of a frame, by which
    an encoder distributes its bit rate."""
    ebml = _element(
        _EBML,
        _number("4286", 1) + _number("42F7", 1) + _number("42F2", 4) + _number("42F3", 8),
        _element("4282", b"matroska") + _number("4287", 4) + _number("4285", 2),
    )
    info = _element(
        _INFO, _number("2AD7B1", 1), _element("4D80", b"flowrun"), _element("5741", b"flowrun")
    )
    video = _element(
        "E0", _number("B0", width) + _number("BA", height) + _element("2EB524", FOURCC[color])
    )
    track = _element(
        "AE",
        _number("D7", _TRACK) + _number("73C5", _TRACK) + _number("83", 1),
        _number("23E383", duration_ns) if duration_ns else b"",
        _element("86", b"V_UNCOMPRESSED") + video,
    )
    return ebml + bytes.fromhex(_SEGMENT) + _UNKNOWN_SIZE + info + _element(_TRACKS, track)


def frame_header(time_ns: int, duration_ns: int, size: int) -> bytes:
    """The bytes before the `size` bytes of a frame; none follow them."""
    timestamp = _number("E7", time_ns)
    duration = _number("9B", duration_ns) if duration_ns > 0 else b""
    block = bytes([0x80 | _TRACK, 0, 0, 0])  # at the cluster's own time, no lacing
    length = len(block) + size
    group = duration + bytes.fromhex("A1") + _size(length)
    group_length = len(group) + length
    content = timestamp + bytes.fromhex("A0") + _size(group_length) + group
    return bytes.fromhex(_CLUSTER) + _size(len(timestamp) + 9 + group_length) + content + block


def _element(identifier: str, *content: bytes) -> bytes:
    data = b"".join(content)
    return bytes.fromhex(identifier) + _size(len(data)) + data


def _number(identifier: str, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _size(value: int) -> bytes:
    """Always eight bytes, so that a header's length does not depend on its content."""
    return (value | 1 << 56).to_bytes(8, "big")
