"""What differs between the protocols of live streams: a table by scheme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from flowrun.frame import VideoInfo

SEGMENT = 2  # seconds of a segment of HLS
PLAYLIST = 6  # segments that the playlist of a live source has


@dataclass(frozen=True, slots=True)
class LiveOutput:
    """`server` names what must listen at the address when the run starts, at the TCP `port` by
    default; without it nothing is checked. `arguments` are ffmpeg's for the output, from the URL or
    path and the properties of the source.
    """

    arguments: Callable[[str, VideoInfo], list[str]]
    server: str | None = None
    port: int = 0


def _rtsp(uri: str, _: VideoInfo) -> list[str]:
    return ["-f", "rtsp", "-rtsp_transport", "tcp", uri]


def _rtmp(uri: str, _: VideoInfo) -> list[str]:
    return ["-flvflags", "no_duration_filesize", "-f", "flv", uri]


def _transport_stream(uri: str, _: VideoInfo) -> list[str]:
    # A viewer can join at any time: the tables are repeated with each key frame.
    tables = ["-mpegts_flags", "pat_pmt_at_frames"]
    return ["-muxdelay", "0", "-muxpreload", "0", *tables, "-f", "mpegts", uri]


def _udp(uri: str, info: VideoInfo) -> list[str]:
    # Seven packets of a transport stream fit into an Ethernet frame.
    joined = "&" if "?" in uri else "?"
    return _transport_stream(uri if "pkt_size=" in uri else f"{uri}{joined}pkt_size=1316", info)


def _hls(uri: str, info: VideoInfo) -> list[str]:
    playlist = Path(uri).absolute()
    segments = str(segment_name(playlist)).replace("%", "%%").replace("NUMBER", "%06d")
    flags = "independent_segments+temp_file"
    if info.live:  # the last segments, in the numbers of an earlier run
        flags += "+delete_segments+append_list+program_date_time"
        kind = ["-hls_list_size", str(PLAYLIST)]
    else:  # all of them
        kind = ["-hls_list_size", "0", "-hls_playlist_type", "event"]
    return [
        *("-f", "hls", "-hls_time", str(SEGMENT), *kind, "-hls_flags", flags),
        *("-hls_segment_filename", segments, str(playlist)),
    ]


def segment_name(playlist: Path) -> Path:
    """The path of a segment, with `NUMBER` for six or more digits."""
    return playlist.with_name(f"{playlist.stem}-NUMBER.ts")


OUTPUTS: dict[str, LiveOutput] = {
    "rtsp": LiveOutput(_rtsp, "RTSP server", 554),
    "rtsps": LiveOutput(_rtsp, "RTSP server", 322),
    "rtmp": LiveOutput(_rtmp, "RTMP server", 1935),
    "rtmps": LiveOutput(_rtmp, "RTMP server", 443),
    "srt": LiveOutput(_transport_stream),
    "udp": LiveOutput(_udp),
}
_FOLDER = LiveOutput(_hls)


def output_of(uri: str) -> LiveOutput:
    """The entry of the scheme of `uri`; HLS for a path."""
    scheme, separator, _ = uri.partition("://")
    return OUTPUTS[scheme.lower()] if separator else _FOLDER


def waits_for_caller(uri: str) -> bool:
    """Whether the stream begins when somebody connects: SRT as a listener."""
    return parse_qs(urlsplit(uri).query).get("mode") == ["listener"]
