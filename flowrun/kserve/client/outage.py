"""Hold or fail requests while the server is unavailable."""

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
from flowrun.kserve.client.outage_state import Job, Outage, OutageState
from flowrun.kserve.client.probe import CONNECT_TIMEOUT, Wait, probe
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.spec.flow import OnOutage


class OutageTransport:
    """Requests to a server that may become unavailable and available again.

    An outage begins with the first request that ends with UNAVAILABLE or CANCELLED and ends when
    `is_ready` returns true; the thread that calls it, `flowrun-outage`, exists only during the
    outage. During an outage nothing is sent. With the policy `hold` the requests that failed and
    the new ones are sent in the order of their submission when it has ended, however long that
    takes: as many as the caller has in flight; their futures stay open until then, `release` or
    `close`. With any other policy they end at once with an `OutageError`. A request that failed
    `MAX_ATTEMPTS` times ends with the `TransportError` of the last time.

    `unavailable_since` is when the outage was noticed, in local time, `None` while the server is
    available. `is_ready` gets the seconds for which it may wait for a connection. Futures are
    completed by the thread that brings the result, by `flowrun-outage`, and by the caller of
    `release` or `close`.
    """

    def __init__(
        self,
        inner: ModelTransport,
        is_ready: Callable[[float], bool],
        policy: OnOutage,
        *,
        wait: Wait = threading.Event.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = inner.model
        self.unavailable_since: datetime | None = None
        self._inner = inner
        self._is_ready = is_ready
        self._log = OutageLog(policy)
        self._wait = wait
        self._clock = clock
        self._closed = threading.Event()
        self._sending = threading.Lock()  # one thread at a time submits; taken before the next one
        self._changed = threading.Condition()  # guards everything below
        self._state = OutageState(hold=policy == "hold")
        self._thread: threading.Thread | None = None

    @property
    def reopened(self) -> int:
        return self._inner.reopened

    def submit(self, request: Request) -> Future[Result | None]:
        future = new_future()
        with self._sending:
            with self._changed:
                job = self._state.job(request, future)
                outage = self._state.outage
                if outage is not None and not self._closed.is_set():
                    error = self._state.defer(job, outage)
                    if error is not None:
                        future.set_exception(error)  # it has no callbacks yet
                    return future
                self._state.sent(job)
            try:
                sent = self._inner.submit(request)
            except BaseException:
                with self._changed:
                    self._state.in_flight -= 1
                    self._changed.notify_all()
                raise
        sent.add_done_callback(partial(self._ended, job))
        return future

    def release(self) -> None:
        """Hold no more: requests that are held end now with an `OutageError`, new ones during an
        outage at once. Idempotent, from any thread, does not block."""
        with self._changed:
            completions = self._state.release()
            self._changed.notify_all()
        for future, error in completions:
            future.set_exception(error)

    def close(self) -> None:
        with self._changed:
            self._closed.set()
            thread = self._thread
        self.release()
        self._inner.close()  # which ends a pending `is_ready` as well
        if thread is not None and thread is not threading.current_thread():
            thread.join(CONNECT_TIMEOUT)

    # The thread that brings a result.

    def _ended(self, job: Job, sent: Future[Result | None]) -> None:
        error = sent.exception()
        with self._changed:
            self._state.in_flight -= 1
            self._changed.notify_all()
            if error is None:
                self._state.failures = 0
            elif isinstance(error, TransportError) and self._is_outage(error):
                if self._state.begins(job):
                    self._begin(Outage(error, self._clock()))
                error = self._state.failed(job, error)
                if error is None:
                    return
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(sent.result())

    # With the lock held.

    def _is_outage(self, error: TransportError) -> bool:
        return not self._closed.is_set() and self._state.is_outage(error)

    def _begin(self, outage: Outage) -> None:
        thread = threading.Thread(
            target=self._watch, args=(outage,), name="flowrun-outage", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no thread can start: nothing would end the outage
            return
        self._thread = thread
        self._state.begin(outage)

    # The thread that waits for the server.

    def _watch(self, outage: Outage) -> None:
        try:
            self._supervise(outage)
        except BaseException:  # a bug: held requests must not wait for ever
            self.release()
            raise

    def _supervise(self, outage: Outage) -> None:
        logged = False
        for ready in probe(self._is_ready, self._closed, self._wait, self._state.failures):
            if ready and self._resume(outage):
                self.unavailable_since = None
                if logged:
                    seconds = self._clock() - outage.began
                    self._log.ended(seconds, resent=outage.resent, failed=outage.failed)
                else:
                    self._log.request_failed(outage.error)
                return
            if not ready and not logged:
                logged = True
                self._log.began(outage.error)
                self.unavailable_since = datetime.now()

    def _resume(self, outage: Outage) -> bool:
        """Send the held requests. True if all were sent and the outage has ended."""
        with self._changed:
            # Requests sent before the outage come first; they end within `transport.timeout`.
            self._changed.wait_for(
                lambda: not (self._state.in_flight and self._state.hold) or self._closed.is_set()
            )
            self._state.resume()
        while True:
            with self._sending:
                with self._changed:
                    if self._closed.is_set() or self._state.must_wait:
                        return False
                    job = self._state.next_held(outage)
                    if job is None:
                        return True
                try:
                    sent = self._inner.submit(job.request)
                except Exception as error:  # the transport was closed
                    sent = Future()
                    sent.set_exception(error)
            sent.add_done_callback(partial(self._ended, job))
