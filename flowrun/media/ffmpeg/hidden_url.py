"""Hand ffmpeg a URL with a password without showing it in the process list.

Every user of a machine can read the arguments of its processes. ffmpeg's concat demuxer reads URLs
and the options of their demuxers from a list, here from standard input (ffmpeg-formats, "concat").
It passes on the packets of an RTSP stream as they are, but not its length.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from flowrun.spec.secrets import redact

_LIST = ("-f", "concat", "-safe", "0", "-protocol_whitelist")
_PROTOCOLS = "pipe,rtp,srtp,udp,tcp,tls,http,https,httpproxy,crypto"  # below RTSP, and of the list
_INPUT = "pipe:0"
# Options of the RTSP demuxer and of TLS below it.
_RTSP = frozenset(
    (
        *("rtsp_transport", "rtsp_flags", "allowed_media_types", "initial_pause", "user_agent"),
        *("min_port", "max_port", "listen_timeout", "timeout", "reorder_queue_size"),
        *("buffer_size", "pkt_size", "localaddr", "satip_raw"),
        *("ca_file", "cafile", "tls_verify", "verify", "verifyhost"),
        *("cert_file", "cert", "key_file", "key"),
    )
)
# Options of every demuxer.
_GENERAL = frozenset(("fflags", "fpsprobesize", "probesize", "analyzeduration", "max_delay"))


def hide_url(arguments: Sequence[str], uri: str) -> tuple[list[str], bytes]:
    """The arguments of an ffmpeg that reads `uri`, and what it gets on standard input: nothing,
    unless `uri` is an RTSP stream with a password or another secret."""
    if not uri.lower().startswith("rtsp") or redact(uri) == uri:
        return list(arguments), b""
    at = next(n for n, pair in enumerate(pairwise(arguments)) if pair == ("-i", uri))
    kept, lines = [], ["ffconcat version 1.0", f"file {_quoted(uri)}"]
    options = iter(arguments[:at])
    for option in options:
        name = option.removeprefix("-")
        value = next(options) if name in _RTSP | _GENERAL else None
        if value is not None:
            lines.append(f"option {name} {_quoted(value)}")
        if name not in _RTSP:
            kept += [option] if value is None else [option, value]
    listed = "".join(f"{line}\n" for line in lines).encode()
    return [*kept, *_LIST, _PROTOCOLS, "-i", _INPUT, *arguments[at + 2 :]], listed


def _quoted(text: str) -> str:
    """Quoted for a list (ffmpeg-utils, "Quoting and escaping")."""
    return "'" + text.replace("\n", "%0A").replace("'", r"'\''") + "'"
