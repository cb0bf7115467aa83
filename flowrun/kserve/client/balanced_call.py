"""A unary call to one of several servers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import grpc

if TYPE_CHECKING:
    from flowrun.kserve.client.balancer import Balancer
    from flowrun.kserve.client.endpoint import Endpoint

# The server is unavailable or does not have the model now: another one may.
_OTHER_SERVER = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.NOT_FOUND,
)


class BalancedCall:
    """Sends a request to a server, and to another one if that becomes unavailable or hangs, until
    one responds, a server that is ready does not within `timeout`, or none is left. Has what is
    used of a future of grpcio."""

    def __init__(
        self, balancer: Balancer, method: str, message: bytes, timeout: float, **options: Any
    ) -> None:
        self.timeout = timeout
        self._balancer = balancer
        self.method = method
        self._message = message
        self._options = options
        self._tried: set[Endpoint] = set()
        self._ended = threading.Event()
        self._lock = threading.Lock()  # guards everything below
        self._endpoint: Endpoint | None = None  # the server that has the request
        self._inner: Any = None  # the call to it
        self._cancelled = False
        self._callbacks: list[Callable[[Any], object]] = []

    def start(self) -> None:
        """Raises `ValueError` if the channels are closed."""
        endpoint = self._balancer.assign(self, self._tried)
        if endpoint is None:
            raise ValueError("the channels are closed")
        self._send(endpoint)

    def code(self) -> Any:
        return self._inner.code()

    def details(self) -> Any:
        return self._inner.details()

    def result(self) -> Any:
        """The response, when the call has ended. Raises `grpc.RpcError`."""
        self._ended.wait()
        if self._inner.code() is grpc.StatusCode.OK:
            return self._inner.result()
        raise self._inner  # a call of grpcio is its own error

    def add_done_callback(self, callback: Callable[[Any], object]) -> None:
        with self._lock:
            if not self._ended.is_set():
                self._callbacks.append(callback)
                return
        callback(self)

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            inner = self._inner
        if inner is not None:
            inner.cancel()

    def leave(self, endpoint: Endpoint) -> None:
        """Take the request from `endpoint`, if it has it; another server gets it."""
        with self._lock:
            inner = self._inner if self._endpoint is endpoint else None
        if inner is not None:
            inner.cancel()

    def _send(self, endpoint: Endpoint) -> None:
        self._tried.add(endpoint)
        timeout = endpoint.timeout_of(self.method, self.timeout)
        try:
            inner = endpoint.unary(self.method).future(
                self._message, timeout=timeout, **self._options
            )
        except ValueError:  # closed
            self._balancer.release(self, endpoint, None)
            raise
        with self._lock:
            self._inner, self._endpoint = inner, endpoint
            cancelled = self._cancelled
        if cancelled:
            inner.cancel()
        inner.add_done_callback(partial(self._done, endpoint))

    def _done(self, endpoint: Endpoint, inner: Any) -> None:
        code = inner.code()
        # The timeout of a call to a server that is not known to be ready.
        hangs = code is grpc.StatusCode.DEADLINE_EXCEEDED and endpoint.avoided
        self._balancer.release(self, endpoint, inner)
        if (code in _OTHER_SERVER or hangs) and not self._cancelled:
            other = self._balancer.assign(self, self._tried)
            if other is not None:
                try:
                    self._send(other)
                except ValueError:  # closed meanwhile
                    pass
                else:
                    return
        self._message = b""
        with self._lock:
            self._ended.set()
            callbacks = self._callbacks
        for callback in callbacks:
            callback(self)
