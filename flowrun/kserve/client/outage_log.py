"""The error and the log messages of an outage."""

from __future__ import annotations

import logging

from flowrun.errors import OutageError, TransportError
from flowrun.spec.flow import OnOutage

_STATES = {
    "overloaded": "the model server is overloaded",
    "not ready": "the model server is available, but the model is not ready",
}
_MEANWHILE = {
    "hold": "frames are held until it is available again",
    "passthrough": "frames pass unchanged until it is available again",
    "drop": "frames are dropped until it is available again",
}
_OVERLOAD = {
    "hold": "frames wait and are sent again",
    "passthrough": "frames pass unchanged meanwhile",
    "drop": "frames are dropped meanwhile",
}

_log = logging.getLogger("flowrun")


def unavailable(error: TransportError) -> OutageError:
    """The error of a request that ends because of an outage that began with `error`."""
    state = _STATES.get(error.condition, "the model server is unavailable")
    return OutageError(
        f"{state}: {error.message}",
        code=error.code,
        condition=error.condition,
        key="transport.on_outage",
        hint="`hold` waits for the server; `drop` and `passthrough` continue without it",
    )


class OutageLog:
    """One thread at a time."""

    def __init__(self, policy: OnOutage) -> None:
        self._policy = policy
        self._failures = 0  # of requests, while the server was ready
        self._refusals = 0  # because of overload

    def began(self, error: TransportError) -> None:
        if self._policy != "fail":  # or else the error of the run reports it
            _log.warning("%s; %s", unavailable(error).message, _MEANWHILE[self._policy])

    def ended(self, seconds: float, *, resent: int, failed: int) -> None:
        text = "the model server is available again after %.1f s; requests resent: %d, failed: %d"
        _log.info(text, seconds, resent, failed)

    def overloaded(self, error: TransportError) -> None:
        """The server is ready and refuses requests: logged the 1st, 10th, 100th … time."""
        self._refusals += 1
        if _is_power_of_ten(self._refusals) and self._policy != "fail":
            text = "%s; %s (%d times so far)"
            message = unavailable(error).message
            _log.warning(text, message, _OVERLOAD[self._policy], self._refusals)

    def request_failed(self, error: TransportError) -> None:
        """A request failed, and the server is ready: logged the 1st, 10th, 100th … time."""
        self._failures += 1
        if _is_power_of_ten(self._failures):
            text = "the model server is ready, but a request failed: %s (%d times so far)"
            _log.warning(text, error.message, self._failures)


def _is_power_of_ten(number: int) -> bool:
    return str(number).strip("0") == "1"
