"""The exceptions of flowrun.

    FlowrunError                    every error that flowrun reports
    ├── InvalidFlowError            the flow uses something that does not exist        (exit 78)
    │   └── FlowError               the file of the flow is invalid; in `flowrun.spec`
    ├── UsageError                  the command line is invalid                        (exit 2)
    ├── RunError                    the run failed                                     (exit 1)
    │   ├── SourceError             the source has no frames; `reason` is the cause
    │   ├── ContractError           server or model do not match the flow
    │   │   ├── ModelNotReadyError  the model is not ready
    │   │   └── OutputsError    a hook cannot read the outputs of the model        (exit 78)
    │   ├── TransportError          a request got no usable response
    │   │   ├── DeadlineError       no response within `transport.timeout`
    │   │   │   └── FirstDeadlineError  no first response within `transport.first_timeout`
    │   │   └── OutageError         the model server accepts no requests now
    │   ├── HookError               a hook raised, or returned an invalid value
    │   └── SinkError               frames could not be written
    │       └── SinkUnavailableError    not now: the sink reconnects
    └── LedgerError                 the fates do not add up: a bug in flowrun          (exit 70)

Every error has the key of the flow that it is about and, if possible, a hint what to do next.
"""

from __future__ import annotations

from textwrap import indent
from typing import ClassVar, Literal

from flowrun import foreign

SourceReason = Literal[
    "not found",
    "refused",
    "unauthorised",
    "timed out",
    "no video",
    "codec",
    "unsupported transport",
    "failed",
]


class FlowrunError(Exception):
    """`message` is one sentence without a final full stop; `key` a flow key such as
    `transport.input`; `hint` what to do next, on one line or several. `exit_code` is that of a
    command that ends with the error.

    Messages quote other programs: control characters and line breaks are escaped here."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, key: str | None = None, hint: str | None = None) -> None:
        self.message = foreign.one_line(foreign.text_of(message))
        super().__init__(self.message)
        self.key = key
        self.hint = None if hint is None else foreign.lines(foreign.text_of(hint))

    def __str__(self) -> str:
        text = f"{self.key}: {self.message}" if self.key else self.message
        return f"{text}\n{indent(self.hint, '  ')}" if self.hint else text


class InvalidFlowError(FlowrunError):
    """The flow is well-formed, but uses something that does not exist."""

    exit_code = 78


class UsageError(FlowrunError):
    """The command line is invalid."""

    exit_code = 2


class RunError(FlowrunError):
    """The run could not start or could not continue."""


class SourceError(RunError):
    """The source gives no (more) frames."""

    def __init__(
        self,
        message: str,
        *,
        reason: SourceReason = "failed",
        key: str | None = "source",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, key=key, hint=hint)
        self.reason = reason


class ContractError(RunError):
    """The metadata of the server or of the model does not match the flow."""


class ModelNotReadyError(ContractError):
    """The server has the model, but it is not ready."""


class OutputsError(ContractError):
    """The outputs of the model are not those that a postprocess hook reads."""

    exit_code = 78


Condition = Literal[
    "refused",  # the server rejects this request, or cannot answer it
    "doubtful",  # refused, unless the model is not ready or no longer the one of the contract
    "interrupted",  # it failed together with other requests, one of which was the cause
    "malformed",  # the response cannot be used
    "overloaded",  # the server is available, but accepts no request now
    "not ready",  # the server is available, but reports that it has no such model
    "unavailable",  # the connection cannot be made or was lost
]


class TransportError(RunError):
    """A request got no usable response. `code` is the gRPC status name, if there was one;
    `condition` is what the failure says about server and request."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        condition: Condition = "refused",
        key: str | None = "transport",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, key=key, hint=hint)
        self.code = code
        self.condition: Condition = condition


class DeadlineError(TransportError):
    """No response within `transport.timeout`."""


class FirstDeadlineError(DeadlineError):
    """The model has not responded at all, within `transport.first_timeout`. It ends the run."""


class OutageError(TransportError):
    """The model server accepts no requests now: it is unavailable or overloaded, or its model is
    not ready. `transport.on_outage` decides what happens to the frame."""


class HookError(RunError):
    """A hook raised, or returned what the next stage cannot use."""


class SinkError(RunError):
    """Frames could not be written."""


class SinkUnavailableError(SinkError):
    """This frame could not be written: the sink is unavailable and reconnects."""


class LedgerError(FlowrunError):
    """The fates do not add up. A bug in flowrun."""

    exit_code = 70


def one_line(error: BaseException) -> str:
    """Key and message of an error of flowrun, type and text of any other, without line breaks."""
    if isinstance(error, FlowrunError):
        text = f"{error.key}: {error.message}" if error.key else error.message
    else:
        text = foreign.exception_text(error)
    return " ".join(text.split())
