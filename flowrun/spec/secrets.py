"""Mask secrets: URL user info, header values, and values of keys with names such as `password`.

In doubt more is masked: a mask may cover harmless text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from urllib.parse import unquote

from flowrun.spec.flow import Flow

MASK = "***"

_NAMES = (
    r"(?:pass(?:word|wd|phrase)|(?<![a-z])pass(?![a-z])|pwd|secret|token|credential"
    r"|authorization|api[-_]?key)"
)
# The patterns take linear time for any text: repetitions are bounded.
_URL_START = re.compile(r"(?:^|(?<=[\s'\"`(\[{<,;|]))[A-Za-z][\w+.-]{0,20}://")
# The user info of a URL whose `://` is mistyped: `rtsp:/ann:secret@cam`.
_MISTYPED = re.compile(
    r"(?<![A-Za-z])(?i:rtsps?|rtmps?|srt|https?|mqtts?)(?::/?(?!/)|//)[/\\]*([^\s@]{1,200})(?=@)"
)
_QUERY = re.compile(rf"(?<=[?&])([\w.-]{{0,40}}{_NAMES}[\w.-]{{0,40}}=)([^&\s'\"]+)", re.IGNORECASE)
_SECRET_KEY = re.compile(_NAMES, re.IGNORECASE)
_SECRET_LINE = re.compile(
    rf"{_NAMES}[\w.-]{{0,40}}[\"']?\s{{0,9}}[:=]\s{{0,9}}(\S.*)?", re.IGNORECASE
)
_HEADERS_LINE = re.compile(r"(?<![\w-])headers[\"']?\s{0,9}:\s*(\S.*)?$")
_HEADERS_SETTING = re.compile(r"transport\.headers\b[^=]{0,99}=(.*)")
_SECRET_OPTIONS = {"headers", "cookies"}  # of ffmpeg
_MAX_KEY_LENGTH = 100  # characters of a key that are looked at
_MAX_LINES_ABOVE = 1000  # lines above that are looked at


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """Mask the user info of URLs, the secrets in their queries, and `secrets` (such as those of
    `secrets_of`) in `text`. For logs, errors and everything else that people read."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, MASK)
    masked, end = "", 0
    for start, stop in _user_infos(text):
        masked, end = f"{masked}{text[end:start]}{MASK}", stop
    masked = _MISTYPED.sub(_masked, masked + text[end:])
    return _QUERY.sub(rf"\1{MASK}", masked)


def _masked(found: re.Match[str]) -> str:
    return found[0].removesuffix(found[1]) + MASK


def _user_infos(text: str) -> Iterator[tuple[int, int]]:
    """The spans of the user info of all URLs: each goes up to the last `@` before the end of the
    line or the next URL, because passwords contain `/`, `@`, `://` and blanks. `word://` after a
    blank begins the next URL."""
    offset = 0
    for line in text.split("\n"):
        starts = [match.start() for match in _URL_START.finditer(line)]
        for begin, end in pairwise([0, *starts, len(line)]):
            start, stop = line.find("://", begin, end) + 3, line.rfind("@", begin, end)
            if 2 < start <= stop:  # noqa: PLR2004
                yield offset + start, offset + stop
        offset += len(line) + 1


def is_secret(path: Sequence[str | int]) -> bool:
    """Whether the value at this path of a flow is secret: the headers, also of ffmpeg's, and keys
    with a name such as `password` or `api_key`."""
    if "headers" in path[:3]:  # of the transport, of a sink
        return True
    if "ffmpeg" in path[:3] and path[-1] in _SECRET_OPTIONS:  # of the source, of a sink
        return True
    return any(isinstance(key, str) and _SECRET_KEY.search(key[:_MAX_KEY_LENGTH]) for key in path)


def writes_secret(path: Sequence[str | int], text: str, variable: str) -> bool:
    """Whether `text`, the value at this path of a flow with every variable replaced by `variable`,
    has a secret that is not a variable: a password or token of a URL, or the value of a key that
    is secret by its name."""
    if is_secret(path):
        return bool(text) and variable not in text
    spans = list(_user_infos(text))
    for start, stop in spans:
        user_info = text[start:stop]
        if variable not in (user_info.partition(":")[2] or user_info):
            return True
    return any(variable not in found[2] for found in _QUERY.finditer(text))


def secrets_of(flow: Flow) -> frozenset[str]:
    """The secret texts of a flow, to be masked in messages of libraries and servers: header values,
    tokens, and the user info of its URLs (as written and percent-decoded)."""
    found = set(flow.transport.headers.values())
    found |= {value for sink in flow.sinks for value in sink.headers.values()}
    found |= {sink.token for sink in flow.sinks if sink.token is not None}
    options = [flow.source.ffmpeg, *(sink.ffmpeg for sink in flow.sinks)]
    for name, value in (item for each in options for item in each.items()):
        if is_secret(("ffmpeg", name)):
            found |= {str(value)}
            found |= {line.partition(":")[2].strip() for line in str(value).splitlines()}
    for uri in (flow.source.uri, *(sink.uri for sink in flow.sinks)):
        for start, stop in _user_infos(uri):
            user_info = uri[start:stop]
            password = user_info.partition(":")[2] or user_info
            found |= {user_info, password, unquote(password)}
    return frozenset(found - {""})


def secret_spans(lines: Sequence[str], index: int) -> list[tuple[int, int]]:
    """The spans (start, end) of line `index` of a flow file that must be masked.

    Works on the text alone, because a file with an error may not be parsed.
    """
    line = lines[index]
    spans = list(_spans_in(line))
    if _is_below_secret_key(lines, index):
        colon = re.match(r"\s*[\w.-]+[\"']?\s*:\s+", line)
        spans.append((colon.end() if colon else len(line) - len(line.lstrip()), len(line)))
    return _merged(spans)


@lru_cache(maxsize=8)  # many problems may be in one very long line
def _spans_in(line: str) -> tuple[tuple[int, int], ...]:
    spans = list(_user_infos(line))
    spans += [match.span(1) for match in _MISTYPED.finditer(line)]
    spans += [match.span(2) for match in _QUERY.finditer(line)]
    for pattern in (_SECRET_LINE, _HEADERS_LINE, _HEADERS_SETTING):
        spans += [match.span(1) for match in pattern.finditer(line)]
    return tuple(spans)


def _is_below_secret_key(lines: Sequence[str], index: int) -> bool:
    """Whether the line is indented below a `headers:` or a secret key."""
    indent = _indent(lines[index])
    nearest = max(0, index - _MAX_LINES_ABOVE)
    for above in reversed(lines[nearest:index]):
        if indent == 0:
            return False
        if above.strip() and _indent(above) < indent:
            if _HEADERS_LINE.search(above) or _SECRET_LINE.search(above):
                return True
            indent = _indent(above)
    return indent > 0 and nearest > 0  # unknown: mask it


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
