"""Errors of requests that a cassette cannot answer."""

from __future__ import annotations

import grpc

from flowrun.errors import TransportError
from flowrun.kserve.grpc_errors import GrpcErrors

_KEY = "transport.address"
_UNKNOWN = "has no response to this request"
_DAMAGED = "is damaged"
_HINTS = {
    _UNKNOWN: "record it again, or write `on_unknown: nearest` under `transport`",
    _DAMAGED: "record it again",
}


def unknown(path: str, count: int) -> str:
    """The text of the error for a request that was not recorded."""
    return f"the cassette {path} {_UNKNOWN}: none of its {count} requests has the same tensors"


def damaged(path: str, why: str) -> str:
    """The text of the error for a response that cannot be read."""
    return f"the cassette {path} {_DAMAGED}: {why}"


class ReplayErrors(GrpcErrors):
    """The errors of a recorded server, and those of its cassette."""

    def failed(self, code: grpc.StatusCode, details: str | None) -> TransportError:
        found = _of_cassette(details or "") if code is grpc.StatusCode.DATA_LOSS else None
        return found or super().failed(code, details)

    def in_stream(self, text: str) -> TransportError:
        return _of_cassette(text) or super().in_stream(text)


def _of_cassette(text: str) -> TransportError | None:
    if text.startswith("the cassette "):
        for words, hint in _HINTS.items():
            if words in text:
                return TransportError(text, condition="refused", key=_KEY, hint=hint)
    return None
