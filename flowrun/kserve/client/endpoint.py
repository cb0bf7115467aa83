"""One of several servers: its connection, the calls that it has, and whether it is available."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flowrun.kserve.client.balanced_call import BalancedCall
from flowrun.kserve.client.targets import Target

if TYPE_CHECKING:
    from flowrun.kserve.client.connection import Connection

_INFER = "/ModelInfer"


class Endpoint:
    """The lock of the balancer guards the attributes.

    `avoided`: a call failed, and the server has not reported since that it is ready.
    `unavailable_since` is when it was found to be unavailable. `failures` counts how often it was
    avoided since its last response.
    """

    def __init__(self, target: Target, connection: Connection) -> None:
        self.target = target
        self.connection = connection
        # Since when it has them, or since it was last found to be ready, by `time.monotonic()`.
        self.calls: dict[BalancedCall, float] = {}
        self.avoided = False
        self.unavailable_since: datetime | None = None
        self.failures = 0
        self.closed = threading.Event()
        self._methods: dict[str, Any] = {}

    def unary(self, method: str) -> Any:
        """The unary call `method`, from bytes to bytes. From any thread."""
        if method not in self._methods:
            self._methods[method] = self.connection.channel.unary_unary(method)
        return self._methods[method]

    def timeout_of(self, method: str, timeout: float) -> float:
        """Seconds for a call that otherwise has `timeout`: the first response of this server to a
        request may take longer."""
        connection = self.connection
        first = connection.first.awaited and method.endswith(_INFER)
        return max(timeout, connection.spec.first_timeout) if first else timeout

    def responded(self, method: str) -> None:
        """A call has got its response."""
        self.failures = 0
        if method.endswith(_INFER):
            self.connection.first.received()

    def silent_for(self) -> float | None:
        """Seconds without a response to a call, once for each quarter of its time."""
        now = time.monotonic()
        most = self.connection.spec.timeout
        spent = [(now - since, min(call.timeout, most)) for call, since in self.calls.items()]
        longest = max((seconds for seconds, limit in spent if seconds > limit / 4), default=None)
        if longest is not None:
            self.calls = dict.fromkeys(self.calls, now)
        return longest

    def close(self) -> None:
        """End every call. Idempotent."""
        self.closed.set()
        self.connection.channel.close()
