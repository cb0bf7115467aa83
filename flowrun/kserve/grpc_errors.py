"""Convert gRPC statuses to errors that name the keys of the flow."""

from __future__ import annotations

import re

import grpc

from flowrun.errors import Condition, DeadlineError, FirstDeadlineError, TransportError
from flowrun.kserve import conditions
from flowrun.kserve.connection_failures import Failure, explain
from flowrun.kserve.header_secrets import secrets_pattern
from flowrun.spec.flow import TransportSpec

_MAX_QUOTE = 300  # characters
_HIDDEN = "***"

# Statuses that may mean that the model needs the other mode: key and hint.
_OTHER_MODE = {
    grpc.StatusCode.NOT_FOUND: (
        "transport.model",
        "some servers support the model in `mode: {}` only",
    ),
    grpc.StatusCode.UNIMPLEMENTED: ("transport.mode", "the model may need `mode: {}`"),
}


class GrpcErrors:
    """Errors about one server, without the secrets in the flow's headers."""

    def __init__(self, spec: TransportSpec, address: str) -> None:
        self.address = address
        self.timeout = spec.timeout
        self._first_timeout = spec.first_timeout
        self._model = spec.model
        self._spec = spec
        self._has_sequence = spec.sequence
        self._other_mode = "unary" if spec.mode == "stream" else "stream"
        self._secrets = secrets_pattern(spec.headers)

    def quoted(self, text: str) -> str:
        """Text from a server, on one line, shortened, without secrets."""
        line = " ".join(text.split())
        if self._secrets:
            line = self._secrets.sub(_HIDDEN, line)
        return line if len(line) <= _MAX_QUOTE else line[: _MAX_QUOTE - 1] + "…"

    def failed(self, code: grpc.StatusCode, details: str | None) -> TransportError:
        """The error for a call that ended with `code`."""
        quote = self.quoted(details or "")
        text = f"{code.name}: {quote}" if quote else code.name
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return self.deadline_exceeded()
        condition = conditions.of_status(code, details)
        if conditions.needs_sequence(quote):
            return self._without_sequence(text)
        if code is grpc.StatusCode.UNAVAILABLE and condition == "unavailable":
            return self.unreachable(details)
        if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
            return TransportError(
                f"the server denied access ({text})",
                code=code.name,
                key="transport.headers",
                hint="most servers require `headers: {authorization: Bearer …}`",
            )
        key, hint = _OTHER_MODE.get(code, ("transport", None))
        if hint is not None:
            hint = hint.format(self._other_mode)
        elif re.search(r"http.{0,40}\bstatus\D{0,40}413\b", quote, re.IGNORECASE):
            hint = "raise the proxy's limit for the size of a request, or send smaller pictures"
        elif "larger than max" in quote:
            hint = "raise the server's message size limit, or send smaller pictures"
        return TransportError(
            f"the server answered {text}", code=code.name, condition=condition, key=key, hint=hint
        )

    def in_stream(self, text: str) -> TransportError:
        """The error for the text of an error in a stream."""
        if conditions.needs_sequence(text):
            return self._without_sequence(self.quoted(text))
        return TransportError(
            f"the server answered with an error: {self.quoted(text)}",
            condition=conditions.of_text(text),
        )

    def stream_ended(self, code: grpc.StatusCode, details: str | None) -> TransportError:
        """The error for what was in flight on a stream that ended with `code`."""
        if code in (grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED):
            return TransportError(
                f"the server ended the stream ({code.name}) before it responded",
                code=code.name,
                condition="interrupted",
            )
        return self.failed(code, details)

    def _without_sequence(self, text: str) -> TransportError:
        """The error for a request to a stateful model that knows no sequence of it."""
        if self._has_sequence:
            return TransportError(
                f"the server has ended the sequence: {text}",
                condition="interrupted",
                key="transport.sequence",
                hint="raise `max_sequence_idle_microseconds` of the model if frames are rare",
            )
        return TransportError(
            f"the model is stateful: {text}",
            key="transport.sequence",
            hint="write `sequence: true` under `transport`",
        )

    def unreachable(self, details: str | None) -> TransportError:
        """The error for a connection that cannot be made or was lost."""
        name = grpc.StatusCode.UNAVAILABLE.name
        failure = explain(details or "", self._spec, self.address)
        if failure is None:
            reason = self.quoted(details or "unavailable")
            text = f"cannot connect to {self.address} ({reason})"
            failure = Failure(text, "transport.address", None)
        return TransportError(
            failure.text.replace("{}", self.address),
            code=name,
            condition="unavailable",
            key=failure.key,
            hint=failure.hint,
        )

    def unsupported_server(self) -> TransportError:
        """The error for a gRPC server that implements no call of KServe v2."""
        return TransportError(
            f"the gRPC server at {self.address} does not support KServe v2",
            code=grpc.StatusCode.UNIMPLEMENTED.name,
            key="transport.address",
            hint="correct the address; OpenVINO Model Server, Triton and MLServer support it",
        )

    def deadline_exceeded(
        self, more: str = "", *, condition: Condition = "doubtful"
    ) -> DeadlineError:
        """The error for a response that did not arrive in time."""
        return DeadlineError(
            f"no response from {self.address} within {self.timeout:g} s{more}",
            code=grpc.StatusCode.DEADLINE_EXCEEDED.name,
            condition=condition,
            key="transport.timeout",
        )

    def first_deadline_exceeded(self, more: str = "", *, after_outage: bool) -> FirstDeadlineError:
        """The error for a model that has not responded at all in time."""
        when = "its first request after an outage" if after_outage else "its first request"
        return FirstDeadlineError(
            f"model {self._model!r} at {self.address} has not responded to {when} within"
            f" {self._first_timeout:g} s{more}",
            code=grpc.StatusCode.DEADLINE_EXCEEDED.name,
            condition="doubtful",
            key="transport.first_timeout",
            hint="set it higher if the model needs longer to start, or see the server's log",
        )

    def closed(self) -> TransportError:
        return TransportError("the connection was closed before the response arrived")
