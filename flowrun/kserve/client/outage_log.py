"""The error and the log messages of an outage."""

from __future__ import annotations

import logging

from flowrun.errors import OutageError, TransportError
from flowrun.spec.flow import OnOutage

_MEANWHILE = {
    "hold": "frames wait until it is back",
    "passthrough": "frames go on as they came until it is back",
    "drop": "frames are dropped until it is back",
}

_log = logging.getLogger("flowrun")


def unavailable(error: TransportError) -> OutageError:
    """The error of a request that ends because of an outage that began with `error`."""
    return OutageError(
        f"the model server is away: {error.message}",
        code=error.code,
        key="transport.on_outage",
        hint="`hold` waits until it is back; `drop` and `passthrough` go on without it",
    )


class OutageLog:
    """One thread at a time."""

    def __init__(self, policy: OnOutage) -> None:
        self._policy = policy
        self._lost = 0  # requests lost by a server that was ready

    def began(self, error: TransportError) -> None:
        if self._policy != "fail":  # or else the error of the run reports it
            _log.warning("%s; %s", unavailable(error).message, _MEANWHILE[self._policy])

    def ended(self, seconds: float, *, resent: int, failed: int) -> None:
        text = "the model server is back after %.1f s; requests sent again: %d, failed: %d"
        _log.info(text, seconds, resent, failed)

    def lost(self, error: TransportError) -> None:
        """A request was lost, and the server is ready: logged the 1st, 10th, 100th … time."""
        self._lost += 1
        if str(self._lost).strip("0") == "1":
            text = "the model server is ready, but a request was lost: %s (%d times so far)"
            _log.warning(text, error.message, self._lost)
