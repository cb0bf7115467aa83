"""gRPC's statuses in the words of the flow."""

from __future__ import annotations

import re

import grpc

from flowrun.errors import DeadlineError, TransportError
from flowrun.spec.flow import TransportSpec

_LONGEST = 300  # characters of a server's words that are worth repeating
_SHORTEST_SECRET = 4
_HIDDEN = "***"

_OTHER_PORT = "is it the port of the server's REST interface? flowrun needs that for gRPC"

# What gRPC says of a connection that cannot be made: (pattern, our words, key, what to do).
_REASONS: list[tuple[str, str, str, str]] = [
    (
        "connection refused",
        "nothing answers at {} (connection refused)",
        "transport.address",
        "start the model server, or correct the address",
    ),
    (
        "lookup error|dns resolution failed|domain name not found|name or service not known",
        "nothing answers at {} (no such host)",
        "transport.address",
        "correct the host's name",
    ),
    (
        "certificate_verify_failed",
        "nothing answers at {} (its certificate cannot be verified)",
        "transport.tls.ca",
        "name the authority that signed it",
    ),
    (
        r"handshake|wrong_version_number|ssl_error|\btls\b",
        "nothing answers at {} (no agreement on TLS)",
        "transport.tls",
        "is it a server without TLS? Then leave `tls` out",
    ),
    (
        "socket closed|connection reset",
        "nothing answers at {} (the connection was cut)",
        "transport.address",
        "see the server's log; one that speaks TLS needs `tls: {}` at least",
    ),
    (
        "before receiving settings",
        "what listens at {} says nothing",
        "transport.address",
        f"{_OTHER_PORT}; one that speaks TLS needs `tls: {{}}` at least",
    ),
    (
        "http1|http2 header with status|failed parsing http/2",
        "what listens at {} is no gRPC server",
        "transport.address",
        _OTHER_PORT,
    ),
]


class GrpcErrors:
    """Errors about one server, free of the flow's secrets."""

    def __init__(self, spec: TransportSpec, address: str) -> None:
        self.address = address
        self.timeout = spec.timeout
        self._other_mode = "unary" if spec.mode == "stream" else "stream"
        values = {piece for value in spec.headers.values() for piece in (value, *value.split())}
        secrets = sorted((v for v in values if len(v) >= _SHORTEST_SECRET), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, secrets))) if secrets else None

    def quoted(self, text: str) -> str:
        """What a server said, on one line, not too long, without secrets."""
        line = " ".join(text.split())
        if self._secrets:
            line = self._secrets.sub(_HIDDEN, line)
        return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"

    def failed(self, code: grpc.StatusCode, details: str | None) -> TransportError:
        """The error for an RPC that ended with `code`."""
        said = self.quoted(details or "")
        text = f"{code.name}: {said}" if said else code.name
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return self.late()
        if code is grpc.StatusCode.UNAVAILABLE:
            return self.unreachable(details)
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            return TransportError(
                f"the server does not let flowrun in ({text})",
                code=code.name,
                key="transport.headers",
                hint="most servers want `headers: {authorization: Bearer …}`",
            )
        if code is grpc.StatusCode.NOT_FOUND:
            return TransportError(
                f"the server answered {text}",
                code=code.name,
                key="transport.model",
                hint=f"some servers find it in `mode: {self._other_mode}` only",
            )
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return TransportError(
                f"the server answered {text}",
                code=code.name,
                key="transport.mode",
                hint=f"the model may want `mode: {self._other_mode}`",
            )
        too_large = "larger than max" in said
        hint = "raise the server's limit for messages, or send smaller pictures"
        return TransportError(
            f"the server answered {text}", code=code.name, hint=hint if too_large else None
        )

    def stream_ended(self, code: grpc.StatusCode, details: str | None) -> TransportError:
        """The error for what was in flight on a stream that ended with `code`."""
        if code in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED):
            return TransportError(
                f"the server ended the stream ({code.name}) before it had answered", code=code.name
            )
        return self.failed(code, details)

    def unreachable(self, details: str | None) -> TransportError:
        """The error for a connection that is not there."""
        name = grpc.StatusCode.UNAVAILABLE.name
        for pattern, reason, key, hint in _REASONS:
            if re.search(pattern, details or "", re.IGNORECASE):
                return TransportError(reason.format(self.address), code=name, key=key, hint=hint)
        return TransportError(
            f"nothing answers at {self.address} ({self.quoted(details or 'unavailable')})",
            code=name,
            key="transport.address",
        )

    def other_server(self) -> TransportError:
        """The error for a gRPC server that knows no call of KServe's."""
        return TransportError(
            f"what listens at {self.address} is a gRPC server, but not for models: it does not know"
            " KServe v2",
            code=grpc.StatusCode.UNIMPLEMENTED.name,
            key="transport.address",
            hint="correct the address; OpenVINO Model Server, Triton and MLServer speak KServe v2",
        )

    def late(self, more: str = "") -> DeadlineError:
        """The error for an answer that did not come in time."""
        return DeadlineError(
            f"no answer from {self.address} within {self.timeout:g} s{more}",
            code=grpc.StatusCode.DEADLINE_EXCEEDED.name,
            key="transport.timeout",
        )

    def closed(self) -> TransportError:
        return TransportError("the connection was closed before the answer came")
