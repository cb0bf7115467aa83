"""What differs between the protocols of live streams: a table by scheme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True, slots=True)
class LiveOutput:
    """`server` names what must listen at the address when the run starts, at the TCP `port` by
    default; without it nothing is checked. `arguments` are ffmpeg's for the output, from the URL.
    """

    arguments: Callable[[str], list[str]]
    server: str | None = None
    port: int = 0


def _rtsp(uri: str) -> list[str]:
    return ["-f", "rtsp", "-rtsp_transport", "tcp", uri]


def _rtmp(uri: str) -> list[str]:
    return ["-flvflags", "no_duration_filesize", "-f", "flv", uri]


def _transport_stream(uri: str) -> list[str]:
    # A viewer can join at any time: the tables are repeated with each key frame.
    tables = ["-mpegts_flags", "pat_pmt_at_frames"]
    return ["-muxdelay", "0", "-muxpreload", "0", *tables, "-f", "mpegts", uri]


def _udp(uri: str) -> list[str]:
    # Seven packets of a transport stream fit into an Ethernet frame.
    joined = "&" if "?" in uri else "?"
    return _transport_stream(uri if "pkt_size=" in uri else f"{uri}{joined}pkt_size=1316")


OUTPUTS: dict[str, LiveOutput] = {
    "rtsp": LiveOutput(_rtsp, "RTSP server", 554),
    "rtsps": LiveOutput(_rtsp, "RTSP server", 322),
    "rtmp": LiveOutput(_rtmp, "RTMP server", 1935),
    "rtmps": LiveOutput(_rtmp, "RTMP server", 443),
    "srt": LiveOutput(_transport_stream),
    "udp": LiveOutput(_udp),
}


def output_of(uri: str) -> LiveOutput:
    return OUTPUTS[uri.partition("://")[0].lower()]


def waits_for_caller(uri: str) -> bool:
    """Whether the stream begins when somebody connects: SRT as a listener."""
    return parse_qs(urlsplit(uri).query).get("mode") == ["listener"]
