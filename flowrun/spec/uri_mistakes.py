"""Find URIs of sources and sinks that are written wrongly, though a path may look like that."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from flowrun.spec.nodes import Finding, Node, Path, dotted
from flowrun.spec.user_info import ENCODE, is_broken

_URL = re.compile(r"(?i:(rtsps?|rtmps?|srt|udp|rtp|https?))://(?=.)")
# `rtsp:/cam`, `rtsp//cam`, `rtsp:cam`, `http:\\cam`
_NO_URL = re.compile(r"(?i:(rtsps?|rtmps?|srt|udp|rtp|https?))(?::(?!//)|//)[/\\]*")
_NEED_PORT = ("udp", "rtp", "srt")


def uri_mistake(path: Path, node: Node) -> Finding | None:
    """The finding for the value at `path`, the URI of a source or sink. No message has a part of
    it: that may be a password."""
    name, text = dotted(path), str(node.value)
    message, hint = _mistake(text)
    return Finding(f"`{name}` {message}", node.location, name, hint) if message else None


def _mistake(text: str) -> tuple[str, str]:
    """What is wrong, and the hint; empty if nothing is."""
    if is_broken(text):
        return "has a user name or a password that is not percent-encoded", ENCODE
    if found := _NO_URL.match(text):
        return "is a path, not a URL", f"a URL begins with `{found[1].lower()}://`"
    found = _URL.match(text)
    return _address_mistake(text, found[1].lower()) if found is not None else ("", "")


def _address_mistake(url: str, scheme: str) -> tuple[str, str]:
    try:
        port = urlsplit(url).port
    except ValueError:  # a port, or an IPv6 address
        return "is a URL whose host or port is malformed", (
            "write `HOST:PORT`, an IPv6 address in `[]`, with a port from 1 to 65535"
        )
    if port is None and scheme in _NEED_PORT:
        return "is a URL without a port", f"write `{scheme}://HOST:PORT`"
    return "", ""
