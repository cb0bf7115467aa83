"""Apply `transport.on_error` and `transport.on_outage` to requests without a usable response."""

from __future__ import annotations

from flowrun.chain.throttled_warnings import ThrottledWarnings
from flowrun.errors import (
    ContractError,
    DeadlineError,
    FirstDeadlineError,
    OutageError,
    TransportError,
)
from flowrun.frame import Frame
from flowrun.ledger.fates import FailCause
from flowrun.ledger.ledger import Ledger
from flowrun.spec.flow import TransportSpec


class RequestFailures:
    """Decides what a failed request means for its frame and for the run."""

    def __init__(self, spec: TransportSpec, ledger: Ledger, warnings: ThrottledWarnings) -> None:
        self._spec = spec
        self._ledger = ledger
        self._warnings = warnings
        self._any_usable = False

    def note_usable(self) -> None:
        """A response was usable: from now on one that is not costs its frame only."""
        self._any_usable = True

    def unusable(self, frame: Frame, error: ContractError) -> bool:
        """`settle` for a response that arrived and cannot be used, because of `error`."""
        malformed = TransportError(
            error.message, condition="malformed", key=error.key, hint=error.hint
        )
        return self.settle(frame, malformed)

    def settle(self, frame: Frame, error: BaseException) -> bool:
        """Whether `frame` continues without a result. Otherwise it has failed; raises `error` if
        that ends the run, as it does if no response has been usable so far, or none has arrived
        within `transport.first_timeout`."""
        # With `hold` there is an outage error only if the run stops during the outage. The
        # transport has logged the outage.
        outage = isinstance(error, OutageError)
        policy = self._spec.on_outage if outage else self._spec.on_error
        malformed = isinstance(error, TransportError) and error.condition == "malformed"
        if isinstance(error, FirstDeadlineError) or (malformed and not self._any_usable):
            policy = "fail"
        passthrough = isinstance(error, TransportError) and policy == "passthrough"
        if not passthrough:
            cause: FailCause = "timeout" if isinstance(error, DeadlineError) else "transport"
            self._ledger.failed(frame, cause, error)
        if not isinstance(error, TransportError) or policy == "fail":
            raise error
        if not outage:
            self._warnings.warn(error)
        return passthrough
