"""What a failed request says about the server: by its gRPC status, or by the text of an error in a
stream, which has no status."""

from __future__ import annotations

import re

import grpc

from flowrun.errors import Condition

# The server accepts no request now, whichever it is.
NOT_NOW: frozenset[Condition] = frozenset({"overloaded", "not ready", "unavailable"})

# A message larger than a limit is RESOURCE_EXHAUSTED, too; it stays too large.
_TOO_LARGE = re.compile(r"larger than max|exceeds maximum size|too large", re.IGNORECASE)
# Triton's queue (`max_queue_size`), rate limits of gateways, statuses of HTTP proxies.
_OVERLOADED = re.compile(
    r"maximum queue size|queue is full|overload|too many (requests|concurrent)|rate.?limit"
    r"|resource.?exhausted|retry later|try again later|http.{0,40}\bstatus\D{0,40}"
    r"(429|502|503|504)\b",
    re.IGNORECASE,
)
# Not 502 to 504: then the server behind the proxy may be unavailable.
_RATE_LIMITED = re.compile(
    r"too many requests|rate.?limit|resource.?exhausted|http.{0,40}\bstatus\D{0,40}429\b",
    re.IGNORECASE,
)
# Triton: "Request for unknown model", "is not ready", "has no available versions", "unloading",
# "Server is stopping, scheduler for model has stopped accepting"; OVMS: "is not found", "retired".
_NOT_READY = re.compile(
    r"unknown model|not found|not (yet )?(ready|loaded|available)|no available versions|unload"
    r"|\bloading|retired|is stopping|stopped accepting",
    re.IGNORECASE,
)
# gRPC's own texts for a connection that cannot be made or was lost; the server's are different.
_DISCONNECTED = re.compile(
    r"connect|\bconn\b|socket|broken pipe|lookup error|dns resolution|name or service|domain name"
    r"|handshake|certificate|wrong_version|ssl_error|\btls\b|http1|http2 header"
    r"|failed parsing http/2|settings|keepalive|ping timeout|goaway|endpoint|stream removed"
    r"|transport (is )?clos|network|unreachable|no route|host is down|channel|rst_stream"
    r"|refused_stream|cancell?ing all calls",
    re.IGNORECASE,
)

# gRPC's own texts for a call that the peer broke off, as a proxy does whose server has gone.
_BROKEN_OFF = re.compile(r"stream removed|rst_stream|end_stream", re.IGNORECASE)

# Triton: "inference request for sequence 7 to model 'm' must specify the START flag on the first
# request of the sequence": it has ended the sequence, by default after a second without requests.
_SEQUENCE_LOST = re.compile("must specify the START flag")
# … "to model 'm' must specify a non-zero or non-empty correlation ID"
_NO_SEQUENCE = re.compile("must specify a non-zero or non-empty correlation ID")

_OF_CODE: dict[grpc.StatusCode, Condition] = {
    grpc.StatusCode.CANCELLED: "unavailable",  # by a server that shuts down gracefully
    grpc.StatusCode.NOT_FOUND: "not ready",
    grpc.StatusCode.INVALID_ARGUMENT: "doubtful",
    grpc.StatusCode.DEADLINE_EXCEEDED: "doubtful",
}


def of_status(code: grpc.StatusCode, details: str | None) -> Condition:
    """The condition that a call that ended with `code` shows."""
    text = details or ""
    if code is grpc.StatusCode.UNAVAILABLE:
        return _of_unavailable(text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return "refused" if _TOO_LARGE.search(text) else "overloaded"
    if code is grpc.StatusCode.UNKNOWN:
        return _of_unknown(text)
    if code is grpc.StatusCode.INTERNAL and _BROKEN_OFF.search(text):
        return "interrupted"
    return _OF_CODE.get(code, "refused")


def of_text(text: str) -> Condition:
    """The condition that an error in a stream shows."""
    if _TOO_LARGE.search(text):
        return "refused"
    if _OVERLOADED.search(text):
        return "overloaded"
    return "not ready" if _NOT_READY.search(text) else "doubtful"


def is_rate_limited(code: grpc.StatusCode, details: str | None) -> bool:
    """Whether the server is available and refuses any call as one too many."""
    text = details or ""
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return of_status(code, text) == "overloaded"
    return _RATE_LIMITED.search(text) is not None


def sequence_is_lost(text: str | None) -> bool:
    """Whether the server does not know the sequence of a request."""
    return _SEQUENCE_LOST.search(text or "") is not None


def needs_sequence(text: str) -> bool:
    """Whether the model is stateful and the request has no sequence."""
    return sequence_is_lost(text) or _NO_SEQUENCE.search(text) is not None


def _of_unknown(text: str) -> Condition:
    condition = of_text(text)
    return "refused" if condition == "doubtful" else condition


def _of_unavailable(text: str) -> Condition:
    if _OVERLOADED.search(text):
        return "overloaded"
    if not text or _DISCONNECTED.search(text):
        return "unavailable"
    return "not ready" if _NOT_READY.search(text) else "overloaded"
