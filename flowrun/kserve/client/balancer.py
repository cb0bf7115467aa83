"""Balance unary calls over several servers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence, Set
from datetime import datetime
from typing import TYPE_CHECKING, Any

import grpc

from flowrun.errors import TransportError
from flowrun.kserve.client.address_states import AddressStates
from flowrun.kserve.client.backoff import LONGEST_PAUSE, pause_after, pause_beyond
from flowrun.kserve.client.balanced_call import BalancedCall
from flowrun.kserve.client.endpoint import Endpoint
from flowrun.kserve.client.readiness import is_ready
from flowrun.kserve.client.targets import Target, has_name, look_up

if TYPE_CHECKING:
    from flowrun.kserve.client.connection import Connection

LOOKUP_INTERVAL = 20.0  # seconds between two lookups of the host names
CHECK_INTERVAL = 0.25  # seconds between two searches for servers that do not respond
CONNECT_TIMEOUT = 2.0  # seconds that a probe waits for a connection

_NO_RESPONSE = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)

_log = logging.getLogger("flowrun")


class Balancer:
    """A channel to all servers at `addresses`, each verified by its own name.

    A call goes to the server with the fewest open calls. If that is unavailable, or does not
    respond within a quarter of the call's time and is not ready either, the call moves to another
    one; the server is avoided, and probed by a thread of its own until it is ready. The thread
    `flowrun-addresses` looks host names up again every `LOOKUP_INTERVAL`.

    Raises `TransportError` if a host does not exist.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        connect: Callable[[Target], Connection],
        states: AddressStates,
    ) -> None:
        self._addresses = addresses
        self._connect = connect
        self._states = states
        self._changed = threading.Condition()  # guards the endpoints and everything below
        self._endpoints: list[Endpoint] = []
        self._retired: list[Endpoint] = []  # no longer found by their names
        self._turn = 0
        self._closed = threading.Event()
        self._update(self._look_up(first=True))
        self._thread = threading.Thread(
            target=self._supervise, name="flowrun-addresses", daemon=True
        )
        self._thread.start()

    # What a channel has.

    def unary_unary(self, method: str, *_args: Any, **_options: Any) -> Any:
        return _Unary(self, method)

    def stream_stream(self, method: str, *args: Any, **options: Any) -> Any:
        """A stream to one of the servers."""
        with self._changed:
            endpoint = min(self._endpoints, key=lambda each: each.avoided)
        return endpoint.connection.channel.stream_stream(method, *args, **options)

    def close(self) -> None:
        """End every call. Idempotent, from any thread."""
        with self._changed:
            self._closed.set()
            endpoints = [*self._endpoints, *self._retired]
            self._changed.notify_all()
        for endpoint in endpoints:
            endpoint.close()

    # For the calls.

    def assign(self, call: BalancedCall, tried: Set[Endpoint]) -> Endpoint | None:
        """The server for a call: an available one that was not tried, if there is one; otherwise
        any for its first attempt, and none for a later one."""
        with self._changed:
            if self._closed.is_set():
                return None
            free = [each for each in self._endpoints if not each.avoided and each not in tried]
            if not free and tried:
                return None
            choice = free or self._endpoints
            self._turn += 1
            first = self._turn % len(choice)
            found = min(choice[first:] + choice[:first], key=lambda each: len(each.calls))
            found.calls[call] = time.monotonic()
            return found

    def release(self, call: BalancedCall, endpoint: Endpoint, ended: Any) -> None:
        """A call of `endpoint` has ended; `None`: it was not made."""
        with self._changed:
            endpoint.calls.pop(call, None)
            if ended is None or self._closed.is_set():
                return
            code = ended.code()
            if code not in _NO_RESPONSE:
                endpoint.responded(call.method)
                return
        self._avoid(endpoint, endpoint.connection.grpc_errors.failed(code, ended.details()))

    def wait_for_any(self, timeout: float) -> None:
        """Wait for a server that is available."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed.is_set() or not all(each.avoided for each in self._endpoints),
                timeout,
            )

    # Availability.

    def _avoid(self, endpoint: Endpoint, error: TransportError) -> None:
        with self._changed:
            if endpoint.avoided or endpoint.closed.is_set() or len(self._endpoints) == 1:
                return
            endpoint.avoided = True
        threading.Thread(
            target=self._watch, args=(endpoint, error), name="flowrun-address", daemon=True
        ).start()

    def _watch(self, endpoint: Endpoint, error: TransportError) -> None:
        """Probe a server until it is ready."""
        began = time.monotonic()
        timeout, pause = 0.0, pause_after(endpoint.failures, LONGEST_PAUSE)
        while not endpoint.closed.wait(pause):
            if _is_available(endpoint, timeout):
                with self._changed:
                    endpoint.avoided = False
                    endpoint.failures += error.code is not None  # it had failed a call
                    since, endpoint.unavailable_since = endpoint.unavailable_since, None
                    if since is not None:
                        endpoint.connection.first.await_again()
                    self._publish()
                if since is not None:
                    seconds = time.monotonic() - began
                    text = "the model server at %s is available again after %.1f s"
                    _log.info(text, endpoint.target, seconds)
                return
            timeout, pause = CONNECT_TIMEOUT, pause_beyond(pause, LONGEST_PAUSE)
            with self._changed:
                others = any(not each.avoided for each in self._endpoints)
                moved = list(endpoint.calls) if others else []
                known = endpoint.unavailable_since is not None or endpoint.closed.is_set()
                if not known:
                    endpoint.unavailable_since = datetime.now()
                    self._publish()
            if not known:
                text = "one of the model servers is unavailable: %s"
                _log.warning(text, error.message)
            for call in moved:
                call.leave(endpoint)

    def _publish(self) -> None:
        if len(self._endpoints) > 1:
            self._states.set({str(e.target): e.unavailable_since for e in self._endpoints})
        else:
            self._states.set({})
        self._changed.notify_all()

    # The thread that looks for changes.

    def _supervise(self) -> None:
        looked_up = time.monotonic()
        while not self._closed.wait(CHECK_INTERVAL):
            if time.monotonic() - looked_up > LOOKUP_INTERVAL:
                self._update(self._look_up())
                looked_up = time.monotonic()
            with self._changed:
                silent = [(each, each.silent_for()) for each in self._endpoints]
                drained = [each for each in self._retired if not each.calls]
                self._retired = [each for each in self._retired if each.calls]
            for endpoint, seconds in silent:
                if seconds is not None and len(silent) > 1:
                    text = f"no response from {endpoint.target} for {seconds:.1f} s"
                    self._avoid(endpoint, TransportError(text))
            for endpoint in drained:
                endpoint.close()

    def _look_up(self, *, first: bool = False) -> list[Target]:
        found: list[Target] = []
        for address in self._addresses:
            try:
                found += look_up(address)
            except OSError as error:
                if first and len(self._addresses) > 1:
                    raise TransportError(
                        f"cannot connect to {address} (no such host)",
                        code=grpc.StatusCode.UNAVAILABLE.name,
                        key="transport.address",
                        hint="correct the host name",
                    ) from error
                with self._changed:  # perhaps only the name server is unavailable
                    known = [e.target for e in self._endpoints if e.target.address == address]
                found += known or [Target(address)]
        return found

    def _update(self, targets: Sequence[Target]) -> None:
        """Connect to the new ones of `targets`, and use those no more that are not among them."""
        known = {each.target: each for each in self._endpoints}
        fresh = {t: Endpoint(t, self._connect(t)) for t in targets if t not in known}
        if known.keys() == set(targets):
            return
        if known:
            _log.info("the model server has the addresses %s now", ", ".join(map(str, targets)))
        with self._changed:
            self._endpoints = [known.get(target) or fresh[target] for target in targets]
            gone = [each for target, each in known.items() if target not in targets]
            self._retired += gone
            self._publish()
        for endpoint in gone:
            endpoint.closed.set()  # ends its probes


def _is_available(endpoint: Endpoint, connect_timeout: float) -> bool:
    try:
        return is_ready(endpoint.connection, connect_timeout)
    except TransportError:  # it is, and overloaded
        return True


class _Unary:
    """What flowrun uses of a unary call of grpcio."""

    def __init__(self, balancer: Balancer, method: str) -> None:
        self._balancer = balancer
        self._method = method

    def __call__(
        self, message: bytes, *, timeout: float, wait_for_ready: bool = False, **options: Any
    ) -> Any:
        if wait_for_ready:
            began = time.monotonic()
            self._balancer.wait_for_any(timeout)
            timeout = max(0.001, began + timeout - time.monotonic())
        options["wait_for_ready"] = wait_for_ready
        return self.future(message, timeout=timeout, **options).result()

    def future(self, message: bytes, *, timeout: float, **options: Any) -> BalancedCall:
        call = BalancedCall(self._balancer, self._method, message, timeout, **options)
        call.start()
        return call


def is_balanced(mode: str, addresses: Sequence[str]) -> bool:
    """Whether there are, or may be, several servers to balance over."""
    return mode == "unary" and (len(addresses) > 1 or has_name(addresses[0]))
