"""Write raw pictures with exact times as a Matroska stream, for ffmpeg to read from a pipe.

The minimum of RFC 9559 for this: one track of uncompressed video, and one of encoded sound, in a
segment of unknown size, and a cluster for every frame and every packet. Times are nanoseconds.
"""

from __future__ import annotations

import struct
from typing import Literal

from flowrun.sound import SoundFormat

FOURCC = {"rgb": b"RGB\x18", "bgr": b"BGR\x18"}  # 24 bits per pixel

_EBML, _SEGMENT, _INFO, _TRACKS, _CLUSTER = (
    "1A45DFA3",
    "18538067",
    "1549A966",
    "1654AE6B",
    "1F43B675",
)
_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
_TRACK, _SOUND_TRACK = 1, 2
_VIDEO, _AUDIO = 1, 2
_ATOM_HEADER = 12  # bytes, which ffmpeg has before the parameters of ALAC, as MP4 does
_ACM = "A_MS/ACM"  # its private data is a WAVEFORMATEX
_ACM_TAGS = {"pcm_alaw": 6, "pcm_mulaw": 7}
# The codecs of sound that can be sent, by ffmpeg's name, with the identifiers of RFC 9559.
SOUND_CODECS = {
    "aac": "A_AAC",
    "ac3": "A_AC3",
    "alac": "A_ALAC",
    "eac3": "A_EAC3",
    "flac": "A_FLAC",
    "mp2": "A_MPEG/L2",
    "mp3": "A_MPEG/L3",
    "opus": "A_OPUS",
    "pcm_alaw": _ACM,
    "pcm_mulaw": _ACM,
    "pcm_s16be": "A_PCM/INT/BIG",
    "pcm_s16le": "A_PCM/INT/LIT",
}


def header(
    width: int,
    height: int,
    color: Literal["rgb", "bgr"],
    *,
    duration_ns: int | None = None,
    sound: SoundFormat | None = None,
) -> bytes:
    """The bytes before the first frame. `duration_ns` is the nominal duration of a frame, by which
    an encoder distributes its bit rate; `sound` is that of the second track."""
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
        _number("D7", _TRACK) + _number("73C5", _TRACK) + _number("83", _VIDEO),
        _number("23E383", duration_ns) if duration_ns else b"",
        _element("86", b"V_UNCOMPRESSED") + video,
    )
    tracks = _element(_TRACKS, track, _sound_track(sound) if sound else b"")
    return ebml + bytes.fromhex(_SEGMENT) + _UNKNOWN_SIZE + info + tracks


def frame_header(time_ns: int, duration_ns: int, size: int) -> bytes:
    """The bytes before the `size` bytes of a frame; none follow them."""
    return _block_header(_TRACK, time_ns, duration_ns, size)


def sound_packet(time_ns: int, duration_ns: int, data: bytes) -> bytes:
    """A whole packet of sound."""
    return _block_header(_SOUND_TRACK, time_ns, duration_ns, len(data)) + data


def _block_header(track: int, time_ns: int, duration_ns: int, size: int) -> bytes:
    timestamp = _number("E7", time_ns)
    duration = _number("9B", duration_ns) if duration_ns > 0 else b""
    block = bytes([0x80 | track, 0, 0, 0])  # at the cluster's own time, no lacing
    length = len(block) + size
    group = duration + bytes.fromhex("A1") + _size(length)
    group_length = len(group) + length
    content = timestamp + bytes.fromhex("A0") + _size(group_length) + group
    return bytes.fromhex(_CLUSTER) + _size(len(timestamp) + 9 + group_length) + content + block


def _sound_track(sound: SoundFormat) -> bytes:
    private = sound.extradata
    if sound.codec == "alac":
        private = private[_ATOM_HEADER:]
    elif sound.codec == "flac" and not private.startswith(b"fLaC"):
        private = b"fLaC" + struct.pack(">I", 0x80 << 24 | len(private)) + private
    elif SOUND_CODECS[sound.codec] == _ACM:
        per_sample, bits = sound.channels, 8
        rates = (sound.sample_rate, sound.sample_rate * per_sample)
        tag = _ACM_TAGS[sound.codec]
        private = struct.pack("<HHIIHHH", tag, sound.channels, *rates, per_sample, bits, 0)
    audio = _element("B5", struct.pack(">d", sound.sample_rate)) + _number("9F", sound.channels)
    if sound.codec.startswith("pcm_s16"):
        audio += _number("6264", 16)
    return _element(
        "AE",
        _number("D7", _SOUND_TRACK) + _number("73C5", _SOUND_TRACK) + _number("83", _AUDIO),
        _element("86", SOUND_CODECS[sound.codec].encode()),
        _element("63A2", private) if private else b"",
        _element("E1", audio),
    )


def _element(identifier: str, *content: bytes) -> bytes:
    data = b"".join(content)
    return bytes.fromhex(identifier) + _size(len(data)) + data


def _number(identifier: str, value: int) -> bytes:
    return _element(identifier, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def _size(value: int) -> bytes:
    """Always eight bytes, so that a header's length does not depend on its content."""
    return (value | 1 << 56).to_bytes(8, "big")
