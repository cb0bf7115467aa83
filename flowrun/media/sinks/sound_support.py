"""Check whether a sink can hold the sound of a source: a table by container and protocol."""

from __future__ import annotations

from pathlib import PurePath

from flowrun.errors import InvalidFlowError
from flowrun.media.ffmpeg.matroska import SOUND_CODECS
from flowrun.sound import SoundFormat
from flowrun.spec.flow import SinkSpec
from flowrun.spec.messages import join_alternatives

_MPEG = frozenset({"aac", "mp2", "mp3", "ac3", "eac3"})
_TELEPHONE = frozenset({"pcm_alaw", "pcm_mulaw"})
# ffmpeg's names of the codecs that each can hold, of those that are passed on at all.
CONTAINERS: dict[str, frozenset[str]] = {
    ".mkv": frozenset(SOUND_CODECS),
    ".mov": _MPEG | _TELEPHONE | {"alac", "pcm_s16be", "pcm_s16le"},
    ".mp4": _MPEG | {"alac", "flac", "opus"},
    ".ts": _MPEG | {"opus"},
    ".webm": frozenset({"opus"}),
}
LIVE: dict[str, frozenset[str]] = {
    "rtsp": _MPEG - {"eac3"} | _TELEPHONE | {"opus"},
    "rtmp": frozenset({"aac", "mp3"}) | _TELEPHONE,
    "srt": CONTAINERS[".ts"],
    "udp": CONTAINERS[".ts"],
    "hls": _MPEG,
}


def check_sound(spec: SinkSpec, sound: SoundFormat | None, key: str) -> None:
    """Raise `InvalidFlowError` at the `audio` of the sink at `key` if it is to copy a `sound` that
    it cannot hold."""
    if spec.audio == "drop" or sound is None:
        return
    name, held = _entry(spec)
    if sound.codec in held:
        return
    message = f"{name} cannot hold the sound of the source ({sound.codec})"
    able = [suffix for suffix, codecs in CONTAINERS.items() if sound.codec in codecs]
    if not able:
        raise InvalidFlowError(
            f"the sound of the source ({sound.codec}) cannot be copied",
            key=f"{key}.audio",
            hint=f"such as {join_alternatives(sorted(SOUND_CODECS))} can; remove the key",
        )
    files = f"{join_alternatives(able)} can"
    raise InvalidFlowError(message, key=f"{key}.audio", hint=f"{files}, or remove the key")


def _entry(spec: SinkSpec) -> tuple[str, frozenset[str]]:
    """The name of the container or protocol, and the codecs that it can hold."""
    scheme, separator, _ = spec.uri.partition("://")
    if separator:
        name = scheme.lower()
        return name.upper(), LIVE[name if name in LIVE else name.removesuffix("s")]
    if spec.kind == "hls":
        return "HLS", LIVE["hls"]
    suffix = PurePath(spec.uri).suffix.lower()
    return suffix, CONTAINERS.get(suffix, frozenset())
