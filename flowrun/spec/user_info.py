"""User names and passwords in URLs that are not percent-encoded (RFC 3986, 3.2.1)."""

from __future__ import annotations

import re

ENCODE = (
    "percent-encode the user name and the password: "
    "`%` is %25, `/` is %2F, `?` is %3F, `#` is %23, `@` is %40, a blank is %20"
)

_URL = re.compile(r"(?i:rtsps?|rtmps?|srt|https?)://(?P<authority>[^/?#]*)(?P<rest>[\s\S]*)")
_HOST = re.compile(r"(\[[^\[\]\s]+\]|[^:\[\]\s%]+)(:\d{1,5})?")
_NOT_IN_URLS = re.compile(r"\s|%(?![0-9A-Fa-f]{2})")
_SEPARATORS = re.compile(r"[\s:/?#@%&=]+")
_MIN_INSIDE = 3  # characters of a piece that is also found inside words


def is_doubtful(uri: str) -> bool:
    """Whether an `@` follows the host: it is part of the path, or the end of a password with one of
    `/ ? #`, whose first part is then taken for the host."""
    url = _URL.fullmatch(uri)
    return url is not None and "@" in url["rest"]


def is_broken(uri: str) -> bool:
    """Whether the user info is certainly not encoded, because the URL is not valid otherwise."""
    url = _URL.fullmatch(uri)
    if url is None or "@" not in url["rest"]:
        return False
    _, user_info, host = url["authority"].rpartition("@")
    if not _HOST.fullmatch(host):
        return True
    return bool(user_info) and _NOT_IN_URLS.search(_user_info(uri)) is not None


def hidden(text: str, uri: str, mask: str) -> str:
    """`text` about a doubtful `uri` with every piece of its possible user info masked: a library
    takes one for the host or the port, and names it."""
    if not is_doubtful(uri):
        return text
    pieces = set(filter(None, _SEPARATORS.split(_user_info(uri))))
    for piece in sorted(pieces, key=len, reverse=True):
        word = re.escape(piece)
        inside = len(piece) >= _MIN_INSIDE
        text = re.sub(word if inside else rf"(?<!\w){word}(?!\w)", mask, text)
    return text


def _user_info(uri: str) -> str:
    return uri.partition("://")[2].rpartition("@")[0]
