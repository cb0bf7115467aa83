"""Wait for a model server that is not available at the start of a run."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing
from typing import TypeVar

from flowrun.errors import ContractError, ModelNotReadyError, RunError, TransportError
from flowrun.kserve.client.backoff import LONGEST_PAUSE, pause_after
from flowrun.kserve.client.connection import open_connection
from flowrun.kserve.client.metadata import fetch_model_info
from flowrun.spec.flow import TransportSpec
from flowrun.system.downtime import Downtime

_TEMPORARY = frozenset({"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
_BY_THE_SERVER = frozenset({"transport", "transport.address"})  # keys; not TLS, not headers

_T = TypeVar("_T")

_log = logging.getLogger("flowrun")


def is_retried(error: RunError, spec: TransportSpec) -> bool:
    """Whether the server may be available later without a change to the flow.

    With `startup: wait` that includes a model that the server does not have: it may be loaded
    later.
    """
    if isinstance(error, TransportError):
        return error.code in _TEMPORARY and error.key in _BY_THE_SERVER
    missing = spec.startup == "wait" and error.key == "transport.model"
    return isinstance(error, ModelNotReadyError) or (missing and isinstance(error, ContractError))


class ServerWait:
    """Waits until the server at `spec.address` is ready and its model, too, or until `stop`.
    `downtime` measures the wait."""

    def __init__(self, spec: TransportSpec) -> None:
        self.downtime = Downtime()
        self._spec = spec
        self._stopped = Future[None]()
        self._failures = 0
        self._logged = ""

    def stop(self) -> None:
        """Wait no more. Idempotent, from any thread."""
        if not self._stopped.done():
            self._stopped.set_result(None)

    def wait(self) -> bool:
        """Whether the model is ready; false after `stop`. Raises `RunError` for what is not
        `is_retried`."""
        while not self._stopped.done():
            error = self._attempt()
            if error is None:
                self.downtime.end()
                return not self._stopped.done()
            self._failed(error)
        return False

    def open(self, opened: Callable[[], _T]) -> _T | None:
        """What `opened` returns, called again after a failure that `is_retried`, when the model is
        ready; `None` after `stop`."""
        while not self._stopped.done():
            try:
                return opened()
            except RunError as error:
                self._failed(error)
                self.wait()
        return None

    def _failed(self, error: RunError) -> None:
        """Pause, or raise the error."""
        if not is_retried(error, self._spec):
            raise error
        self.downtime.begin()
        self._failures += 1
        if error.message != self._logged:
            self._logged = error.message
            _log.warning("transport: %s; waiting until the model is ready", error.message)
        wait([self._stopped], pause_after(self._failures, LONGEST_PAUSE))

    def _attempt(self) -> RunError | None:
        """Look up the model, on a thread, which ends by itself after a `stop`."""
        ended = Future[None]()
        threading.Thread(
            target=self._look_up, args=(ended,), name="flowrun-startup", daemon=True
        ).start()
        wait([ended, self._stopped], return_when=FIRST_COMPLETED)
        error = ended.exception() if ended.done() else None
        if error is not None and not isinstance(error, RunError):
            raise error
        return error

    def _look_up(self, ended: Future[None]) -> None:
        try:
            connection = open_connection(self._spec, self._spec.address)
            with closing(connection.channel):
                fetch_model_info(connection)
        except BaseException as error:
            ended.set_exception(error)
        else:
            ended.set_result(None)
