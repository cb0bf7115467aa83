"""Hand ffmpeg a URL with a password without showing it in the process list.

Every user of a machine can read the arguments of its processes. ffmpeg's concat demuxer reads URLs
and the options of their demuxers and protocols from a list, here from standard input
(ffmpeg-formats, "concat"). It passes on the packets of a live stream as they are, but not its
length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise

from flowrun.spec.secrets import is_secret, redact

_LIVE = re.compile(r"(?i:rtsps?|rtmps?|srt)://")
_LIST = ("-f", "concat", "-safe", "0", "-protocol_whitelist")
# Of the list, and below RTSP, RTMP and SRT.
_PROTOCOLS = "pipe,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto,rtmp,rtmps,srt"
_INPUT = "pipe:0"
# Options of the RTSP demuxer, of RTMP and SRT, and of TLS below them.
_OF_STREAM = frozenset(
    (
        *("rtsp_transport", "rtsp_flags", "allowed_media_types", "initial_pause", "user_agent"),
        *("min_port", "max_port", "listen_timeout", "timeout", "reorder_queue_size"),
        *("buffer_size", "pkt_size", "localaddr", "satip_raw"),
        *("rtmp_app", "rtmp_buffer", "rtmp_conn", "rtmp_flashver", "rtmp_live", "rtmp_pageurl"),
        *("rtmp_playpath", "rtmp_subscribe", "rtmp_swfurl", "rtmp_swfverify", "rtmp_tcurl"),
        *("rtmp_swfhash", "rtmp_swfsize", "rtmp_listen", "listen", "tcp_nodelay"),
        *("passphrase", "pbkeylen", "enforced_encryption", "streamid", "srt_streamid", "mode"),
        *("latency", "rcvlatency", "peerlatency", "tsbpddelay", "tsbpd", "tlpktdrop", "nakreport"),
        *("connect_timeout", "recv_buffer_size", "send_buffer_size", "payload_size", "maxbw"),
        *("rcvbuf", "sndbuf", "ffs", "mss", "lossmaxttl", "linger", "transtype", "messageapi"),
        *("smoother", "minversion", "inputbw", "oheadbw", "iptos", "ipttl", "snddropdelay"),
        *("kmrefreshrate", "kmpreannounce"),
        *("ca_file", "cafile", "tls_verify", "verify", "verifyhost"),
        *("cert_file", "cert", "key_file", "key"),
    )
)
# Options of every demuxer.
_GENERAL = frozenset(("fflags", "fpsprobesize", "probesize", "analyzeduration", "max_delay"))


def hide_url(arguments: Sequence[str], uri: str) -> tuple[list[str], bytes]:
    """The arguments of an ffmpeg that reads `uri`, and what it gets on standard input: nothing,
    unless `uri` is an RTSP, RTMP or SRT stream with a password or another secret."""
    if not _LIVE.match(uri):
        return list(arguments), b""
    at = next(n for n, pair in enumerate(pairwise(arguments)) if pair == ("-i", uri))
    if redact(uri) == uri and not _has_secret(arguments[:at]):
        return list(arguments), b""
    kept, lines = [], ["ffconcat version 1.0", f"file {_quoted(uri)}"]
    options = iter(arguments[:at])
    for option in options:
        name = option.removeprefix("-")
        value = next(options) if name in _OF_STREAM | _GENERAL else None
        if value is not None:
            lines.append(f"option {name} {_quoted(value)}")
        if name not in _OF_STREAM:
            kept += [option] if value is None else [option, value]
    listed = "".join(f"{line}\n" for line in lines).encode()
    return [*kept, *_LIST, _PROTOCOLS, "-i", _INPUT, *arguments[at + 2 :]], listed


def _has_secret(options: Sequence[str]) -> bool:
    names = (option.removeprefix("-") for option in options if option.startswith("-"))
    return any(name in _OF_STREAM and is_secret(("source", "ffmpeg", name)) for name in names)


def _quoted(text: str) -> str:
    """Quoted for a list (ffmpeg-utils, "Quoting and escaping")."""
    return "'" + text.replace("\n", "%0A").replace("'", r"'\''") + "'"
