"""The error and the log messages of an outage."""

from __future__ import annotations

import logging

from flowrun.errors import OutageError, TransportError
from flowrun.spec.flow import OnOutage

_MEANWHILE = {
    "hold": "frames are held until it is available again",
    "passthrough": "frames pass unchanged until it is available again",
    "drop": "frames are dropped until it is available again",
}

_log = logging.getLogger("flowrun")


def unavailable(error: TransportError) -> OutageError:
    """The error of a request that ends because of an outage that began with `error`."""
    return OutageError(
        f"the model server is unavailable: {error.message}",
        code=error.code,
        key="transport.on_outage",
        hint="`hold` waits for the server; `drop` and `passthrough` continue without it",
    )


class OutageLog:
    """One thread at a time."""

    def __init__(self, policy: OnOutage) -> None:
        self._policy = policy
        self._failures = 0  # of requests, while the server was ready

    def began(self, error: TransportError) -> None:
        if self._policy != "fail":  # or else the error of the run reports it
            _log.warning("%s; %s", unavailable(error).message, _MEANWHILE[self._policy])

    def ended(self, seconds: float, *, resent: int, failed: int) -> None:
        text = "the model server is available again after %.1f s; requests resent: %d, failed: %d"
        _log.info(text, seconds, resent, failed)

    def request_failed(self, error: TransportError) -> None:
        """A request failed, and the server is ready: logged the 1st, 10th, 100th … time."""
        self._failures += 1
        if str(self._failures).strip("0") == "1":
            text = "the model server is ready, but a request failed: %s (%d times so far)"
            _log.warning(text, error.message, self._failures)
