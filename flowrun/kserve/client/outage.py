"""What happens to requests while the server is away."""

from __future__ import annotations

import logging
import threading
import time
from bisect import insort
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from flowrun.errors import OutageError, TransportError
from flowrun.inference import Request, Result
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.spec.flow import OnOutage

PATIENCE = 2.0  # seconds that one question waits for a connection
FIRST_PAUSE = 0.1  # seconds between two questions to a server that is not ready; doubles
LONGEST_PAUSE = 1.0
TRIES = 5  # a request that was sent so often and lost each time may be what kills the server

_AWAY = ("UNAVAILABLE", "CANCELLED")  # the second one from a server that shuts down in good order
_MEANWHILE = {
    "hold": "frames wait until it is back",
    "passthrough": "frames go on as they came until it is back",
    "drop": "frames are dropped until it is back",
}

_log = logging.getLogger("flowrun")


@dataclass(slots=True, order=True)
class _Job:
    """A request until its future has ended. `outages` counts those before it was sent."""

    number: int
    request: Request = field(compare=False)
    future: Future[Result | None] = field(compare=False)
    outages: int = field(compare=False, default=0)
    tries: int = field(compare=False, default=0)


@dataclass(slots=True)
class _Outage:
    error: TransportError  # that it began with
    began: float
    resent: int = 0
    failed: int = 0


class OutageTransport:
    """Requests to a server that may go away and come back.

    An outage begins with the first request that ends with UNAVAILABLE or CANCELLED and is over when
    `ready` says so; the thread that asks, `flowrun-outage`, is there only meanwhile. During an
    outage nothing is sent. With the policy `hold` the requests that were lost and the new ones are
    sent in the order of their submission when it is over, however long that takes: as many as the
    caller has in flight; their futures stay open until then, `release` or `close`. With any other
    policy they end at once with an `OutageError`. A request that was lost `TRIES` times ends with
    the `TransportError` of the last time.

    `unavailable_since` is when the server was found away, in local time, `None` while it is there.
    `ready` gets the seconds for which it may wait for a connection. Futures are completed by the
    thread that brings the answer, `flowrun-outage`, and whoever calls `release` or `close`.
    """

    def __init__(
        self,
        inner: ModelTransport,
        ready: Callable[[float], bool],
        policy: OnOutage,
        *,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.model = inner.model
        self.unavailable_since: datetime | None = None
        self._inner = inner
        self._ready = ready
        self._policy = policy
        self._wait = wait
        self._clock = clock
        self._closed = threading.Event()
        self._sending = threading.Lock()  # one thread at a time submits; taken before the next one
        self._changed = threading.Condition()  # guards everything below
        self._hold = policy == "hold"
        self._held: list[_Job] = []  # in order
        self._submitted = 0
        self._inside = 0  # futures of `inner` that are open
        self._outage: _Outage | None = None
        self._outages = 0
        self._fruitless = 0  # outages since the last answer
        self._lost_again = False  # something that was sent after the server had said it was ready
        self._hiccups = 0
        self._thread: threading.Thread | None = None

    @property
    def reopened(self) -> int:
        return self._inner.reopened

    def submit(self, request: Request) -> Future[Result | None]:
        future: Future[Result | None] = Future()
        future.set_running_or_notify_cancel()  # it cannot be cancelled
        with self._sending:
            with self._changed:
                self._submitted += 1
                job = _Job(self._submitted, request, future)
                if self._outage is not None and not self._closed.is_set():
                    if self._hold:
                        self._held.append(job)
                    else:
                        self._outage.failed += 1
                        future.set_exception(_away(self._outage.error))  # nobody has it yet
                    return future
                self._note_sent(job)
            try:
                sent = self._inner.submit(request)
            except BaseException:
                with self._changed:
                    self._note_ended()
                raise
        sent.add_done_callback(partial(self._ended, job))
        return future

    def release(self) -> None:
        """Hold no more: what waits ends now with an `OutageError`, what comes during an outage at
        once. Idempotent, from any thread, does not wait."""
        with self._changed:
            self._hold = False
            completions = []
            if self._outage is not None:
                completions = [(job.future, _away(self._outage.error)) for job in self._held]
                self._outage.failed += len(completions)
            self._held.clear()
            self._changed.notify_all()
        for future, error in completions:
            future.set_exception(error)

    def close(self) -> None:
        with self._changed:
            self._closed.set()
            thread = self._thread
        self.release()
        self._inner.close()  # which ends a question as well
        if thread is not None and thread is not threading.current_thread():
            thread.join(PATIENCE)

    # The thread that brings an answer.

    def _ended(self, job: _Job, sent: Future[Result | None]) -> None:
        error = sent.exception()
        with self._changed:
            self._note_ended()
            if error is None:
                self._fruitless = 0
            elif isinstance(error, TransportError) and self._is_away(error):
                outage = self._note_lost(job, error)
                if self._hold and outage is not None and job.tries < TRIES:
                    insort(self._held, job)
                    return
                if outage is not None:
                    outage.failed += 1
                if not self._hold:
                    error = _away(error)
        if error is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(sent.result())

    # With the lock held.

    def _is_away(self, error: TransportError) -> bool:
        if self._closed.is_set():
            return False
        # A server that is back may say that it is ready before it knows its model.
        returning = self._outage is not None or self._fruitless > 0
        return error.code in _AWAY or (returning and error.code == "NOT_FOUND")

    def _note_lost(self, job: _Job, error: TransportError) -> _Outage | None:
        """The outage that the request was lost in: the present one, a new one, or none any more."""
        self._lost_again = True
        if self._outage is None and job.outages == self._outages:
            outage = _Outage(error, self._clock())
            thread = threading.Thread(
                target=self._watch, args=(outage,), name="flowrun-outage", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:  # no thread is to be had: nobody would end the outage
                return None
            self._outage, self._thread = outage, thread
            self._outages += 1
        return self._outage

    def _note_sent(self, job: _Job) -> None:
        job.outages = self._outages
        job.tries += 1
        self._inside += 1

    def _note_ended(self) -> None:
        self._inside -= 1
        self._changed.notify_all()

    # The thread that asks.

    def _watch(self, outage: _Outage) -> None:
        try:
            self._await(outage)
        except BaseException:  # a bug: whoever waits must not wait for ever
            self.release()
            raise

    def _await(self, outage: _Outage) -> None:
        pause = FIRST_PAUSE * 2 ** min(self._fruitless - 1, 10) if self._fruitless else 0.0
        noticed = False
        while not self._closed.is_set():
            if pause:
                self._wait(self._closed, min(pause, LONGEST_PAUSE))
            # The first question only finds out whether somebody is there at all.
            if not self._ready(PATIENCE if noticed else 0.0):
                if not noticed and self._policy != "fail":  # whose error says it
                    _log.warning("%s; %s", _away(outage.error).message, _MEANWHILE[self._policy])
                if not noticed:
                    self.unavailable_since = datetime.now()
                noticed = True
            elif self._resume(outage):
                self.unavailable_since = None
                self._tell(outage, noticed=noticed)
                return
            pause = min(max(2 * pause, FIRST_PAUSE), LONGEST_PAUSE)

    def _resume(self, outage: _Outage) -> bool:
        """Send what is held; whether that was all and the outage is over."""
        with self._changed:
            # Nothing may overtake what was sent before, which ends within `transport.timeout`.
            self._changed.wait_for(
                lambda: not self._inside or not self._hold or self._closed.is_set()
            )
            self._lost_again = False
        while True:
            with self._sending:
                with self._changed:
                    if self._closed.is_set() or (self._lost_again and self._held):
                        return False
                    if not self._held:
                        self._outage = None
                        self._fruitless += 1
                        return True
                    job = self._held.pop(0)
                    self._note_sent(job)
                    outage.resent += 1
                try:
                    sent = self._inner.submit(job.request)
                except Exception as error:  # it was closed meanwhile
                    sent = Future()
                    sent.set_exception(error)
            sent.add_done_callback(partial(self._ended, job))

    def _tell(self, outage: _Outage, *, noticed: bool) -> None:
        if noticed:
            seconds = self._clock() - outage.began
            text = "the model server is back after %.1f s; requests sent again: %d, failed: %d"
            _log.info(text, seconds, outage.resent, outage.failed)
            return
        self._hiccups += 1
        if str(self._hiccups).strip("0") == "1":  # the 1st, 10th, 100th …
            text = "the model server is ready, but a request was lost: %s (%d times so far)"
            _log.warning(text, outage.error.message, self._hiccups)


def _away(error: TransportError) -> OutageError:
    return OutageError(
        f"the model server is away: {error.message}",
        code=error.code,
        key="transport.on_outage",
        hint="`hold` waits until it is back; `drop` and `passthrough` go on without it",
    )
