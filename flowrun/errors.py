"""What can go wrong, as types.

    FlowrunError                 anything flowrun says on purpose
    ├── InvalidFlowError         the flow asks for what is not there                (exit 78)
    │   └── FlowError            … found in the file; beside `Problem` in spec
    ├── UsageError               the command line is wrong                          (exit 2)
    ├── RunError                 the run failed                                     (exit 1)
    │   ├── SourceError          no frames: `reason` says why
    │   ├── ContractError        server or model do not fit the flow
    │   ├── TransportError       a request got no usable answer
    │   │   ├── DeadlineError    … within `transport.timeout`
    │   │   └── OutageError      … for the server is away
    │   ├── HookError            a hook of the user's raised or returned nonsense
    │   └── SinkError            frames could not be written
    │       └── SinkUnavailableError …  now; the sink tries to come back
    └── LedgerError              frames are unaccounted for: a bug in flowrun       (exit 70)

Every error names the key of the flow that it is about and, if there is one, the next thing to try.
"""

from __future__ import annotations

from textwrap import indent
from typing import Literal

SourceReason = Literal[
    "not found", "refused", "unauthorised", "timed out", "no video", "codec", "failed"
]


class FlowrunError(Exception):
    """`message` is one sentence without a final full stop; `key` a flow key such as
    `transport.input`; `hint` what to do next, on one line or several."""

    def __init__(self, message: str, *, key: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.key = key
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.key}: {self.message}" if self.key else self.message
        return f"{text}\n{indent(self.hint, '  ')}" if self.hint else text


class InvalidFlowError(FlowrunError):
    """The flow is well-formed, but asks for something that is not there."""


class UsageError(FlowrunError):
    """The command line is wrong."""


class RunError(FlowrunError):
    """The run could not start or could not go on."""


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
    """What the server says of itself or of the model does not fit the flow."""


class TransportError(RunError):
    """A request got no usable answer. `code` is the gRPC status name, if there was one."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        key: str | None = "transport",
        hint: str | None = None,
    ) -> None:
        super().__init__(message, key=key, hint=hint)
        self.code = code


class DeadlineError(TransportError):
    """No answer within `transport.timeout`."""


class OutageError(TransportError):
    """The model server is away. What becomes of the frame is up to `transport.on_outage`."""


class HookError(RunError):
    """A hook raised, or returned what the next stage cannot use."""


class SinkError(RunError):
    """Frames could not be written."""


class SinkUnavailableError(SinkError):
    """This frame could not be written: the sink is away, and tries to come back."""


class LedgerError(FlowrunError):
    """The ledger does not balance. Never the user's fault."""
