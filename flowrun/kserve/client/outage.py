"""Hold or fail requests while the server is unavailable, overloaded or without its model."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import partial

from flowrun.errors import TransportError
from flowrun.inference import Request, Result, new_future
from flowrun.kserve.client.outage_log import OutageLog
from flowrun.kserve.client.outage_state import OutageState
from flowrun.kserve.client.recovery import (
    CONNECT_TIMEOUT,
    Recovery,
    Wait,
    complete,
    wait_with_jitter,
)
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.spec.flow import OnOutage


class OutageTransport:
    """Requests to a server that may accept none for a while.

    By the `condition` of its error, a failed request

    - has failed (`refused`, `malformed`): its future ends with the error;
    - is held while the server is asked (`doubtful`, `not ready`): if it is not ready, this is an
      outage; if `fits` raises a `ContractError`, this request, all that are held and all later ones
      end with it; otherwise the request has failed, or is sent again if the model was `not ready`;
    - begins an outage (`overloaded`, `unavailable`; with `hold` also `interrupted`).

    During an outage nothing is sent and the server is asked again and again whether it is ready,
    with growing pauses, and finally whether the model still fits. With the policy `hold` the
    requests that failed and the new ones are then sent in the order of their submission, however
    long that takes; their futures stay open until then, `release` or `close`. As many are sent at
    once as the caller has in flight, fewer after an overload (half of them, at least one), and only
    one while it is unknown which request fails; the window grows again with the responses. With
    any other policy requests end at once with an `OutageError`. A request that failed alone
    `MAX_ATTEMPTS` times, and not by overload, ends with the `TransportError` of the last time.

    The thread `flowrun-outage` exists only while something of this is to be done. It calls
    `is_ready`, with the seconds for which it may wait for a connection, `fits`, which returns
    false if it could not find out, `began` when it has found the server not ready, and `recovered`
    before it sends requests to a server that was unavailable or without its model. Futures are
    completed by the thread that brings the result, by `flowrun-outage`, and by the caller of
    `release` or `close`. `unavailable_since` is when the server was found not ready, in local time,
    `None` while it is ready; `unavailable_s` for how many seconds it was not, altogether;
    `overloaded_since` when it refused a request by overload, until it responds to one.
    """

    def __init__(
        self,
        inner: ModelTransport,
        is_ready: Callable[[float], bool],
        policy: OnOutage,
        *,
        fits: Callable[[Request], bool] = lambda _: True,
        began: Callable[[], None] = lambda: None,
        recovered: Callable[[], None] = lambda: None,
        wait: Wait = wait_with_jitter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = inner.model
        self._inner = inner
        self._state = OutageState(hold=policy == "hold")
        self._recovery = Recovery(
            inner,
            self._state,
            OutageLog(policy),
            is_ready=is_ready,
            fits=fits,
            began=began,
            recovered=recovered,
            wait=wait,
            clock=clock,
        )

    @property
    def reopened(self) -> int:
        return self._inner.reopened

    @property
    def unavailable_since(self) -> datetime | None:
        return self._recovery.downtime.since

    @property
    def unavailable_s(self) -> float:
        return self._recovery.downtime.seconds

    @property
    def overloaded_since(self) -> datetime | None:
        return self._recovery.overloaded_since

    def submit(self, request: Request) -> Future[Result | None]:
        future = new_future()
        with self._recovery.sending:
            with self._recovery.changed:
                job = self._state.job(request, future)
                if not self._recovery.closed.is_set():
                    error = self._state.rejection()
                    if error is not None:
                        future.set_exception(error)  # it has no callbacks yet
                        return future
                    if self._state.must_hold and self._recovery.start():
                        self._state.hold_back(job)
                        return future
                self._state.sent(job)
            try:
                sent = self._inner.submit(request)
            except BaseException:
                with self._recovery.changed:
                    self._state.ended(job)
                    self._recovery.changed.notify_all()
                raise
        sent.add_done_callback(partial(self._recovery.ended, job))
        return future

    def release(self) -> None:
        """Hold no more: requests that are held by an outage end now with an `OutageError`, new ones
        during an outage at once. Idempotent, from any thread, does not block."""
        with self._recovery.changed:
            ended = self._state.release()
            self._recovery.changed.notify_all()
        complete(ended)

    def close(self) -> None:
        with self._recovery.changed:
            self._recovery.closed.set()
            thread = self._recovery.thread
            ended = self._state.clear(TransportError("the connection was closed"))
            self._recovery.changed.notify_all()
        complete(ended)
        self._inner.close()  # which ends a pending `is_ready` as well
        if thread is not None and thread is not threading.current_thread():
            thread.join(CONNECT_TIMEOUT)
