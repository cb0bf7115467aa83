"""Wait for a server that accepts no requests, and send again what was held."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from functools import partial

from flowrun.errors import (
    Condition,
    ContractError,
    DeadlineError,
    FirstDeadlineError,
    TransportError,
)
from flowrun.inference import Request, Result, Transport
from flowrun.kserve.client.outage_log import OutageLog
from flowrun.kserve.client.outage_state import Ended, Job, Outage, OutageState
from flowrun.system.downtime import Downtime

CONNECT_TIMEOUT = 2.0  # seconds that a question waits for a connection

Wait = Callable[[threading.Event, float], object]


def wait_with_jitter(closed: threading.Event, seconds: float) -> None:
    """Wait for half of `seconds` to all of it, so that clients do not return at the same time."""
    closed.wait(seconds * random.uniform(0.5, 1.0))  # noqa: S311


class Recovery:
    """Acts on `state` for an `OutageTransport`, whose documentation has the rules.

    `changed` guards `state`; whoever submits to `inner` holds `sending`, and takes it before
    `changed`. The thread `flowrun-outage` exists only while there is something to do.
    """

    def __init__(
        self,
        inner: Transport,
        state: OutageState,
        log: OutageLog,
        *,
        is_ready: Callable[[float], bool],
        fits: Callable[[Request], bool],
        began: Callable[[], None],
        recovered: Callable[[], None],
        wait: Wait,
        clock: Callable[[], float],
    ) -> None:
        self.downtime = Downtime(clock)
        self.overloaded_since: datetime | None = None
        self.thread: threading.Thread | None = None  # guarded by `changed`
        self.closed = threading.Event()
        self.sending = threading.Lock()
        self.changed = threading.Condition()
        self._inner = inner
        self._state = state
        self._log = log
        self._is_ready = is_ready
        self._fits = fits
        self._began = began
        self._recovered = recovered
        self._wait = wait
        self._clock = clock

    # The thread that brings a result.

    def ended(self, job: Job, sent: Future[Result | None]) -> None:
        failure: BaseException | None = sent.exception()
        with self.changed:
            self._state.ended(job)
            if failure is None:
                self._state.answered()
                self.overloaded_since = None
            elif isinstance(failure, TransportError) and not self.closed.is_set():
                failure = self._failed(job, failure)
                if failure is None:
                    self.changed.notify_all()
                    return
            self.changed.notify_all()
        if failure is not None:
            job.future.set_exception(failure)
        else:
            job.future.set_result(sent.result())

    # With the lock held.

    def _failed(self, job: Job, error: TransportError) -> TransportError | None:
        """The error that `job` ends with now, if it does."""
        means = self._state.judge(error)
        if means == "failed":
            return error
        if means == "doubt":
            if not self.start():
                return error
            self._state.doubt(job, error)
            return None
        return self._hold_or_fail(job, error)

    def _hold_or_fail(self, job: Job, error: TransportError) -> TransportError | None:
        # If no thread can start, nothing would end an outage.
        if self._state.begins(job) and self.start():
            self._state.begin(job, error, self._clock())
            if error.condition == "overloaded" and self.overloaded_since is None:
                self.overloaded_since = datetime.now()
        return self._state.failed(job, error)

    def start(self) -> bool:
        """Whether the thread runs."""
        if self.thread is None:
            thread = threading.Thread(target=self._work, name="flowrun-outage", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return False
            self.thread = thread
        return True

    # The thread that waits for the server.

    def _work(self) -> None:
        try:
            while self._go_on():
                pass
        except BaseException:  # a bug: held requests must not wait for ever
            with self.changed:
                self.thread = None
                ended = self._state.clear(TransportError("waiting for the model server failed"))
            complete(ended)
            raise

    def _go_on(self) -> bool:
        """Do what is to be done next; whether there may be more."""
        with self.changed:
            recovered = self._state.recovered()
            step = self._state.step()
            if not recovered and step == "wait" and not self.closed.is_set():
                self.changed.wait()
                return True
            if self.closed.is_set() or (step == "end" and not recovered):
                self.thread = None
                return False
            outage = self._state.outage
        if recovered:
            self._note_end(recovered)
        elif step == "doubt":
            self._settle_doubt()
        elif step == "send":
            self._send()
        elif outage is not None:
            self._wait_for_server(outage)
        return True

    def _settle_doubt(self) -> None:
        with self.changed:
            if self.closed.is_set():
                return
            job, error = self._state.next_doubt()
            outage = self._state.outage
        known = outage is not None and (outage.noticed or not isinstance(error, FirstDeadlineError))
        found = "unavailable" if known else self._found(0.0)
        ready = found is None
        if found == "overloaded":
            error.condition = found
        if ready and self._state.unconfirmed and not isinstance(error, DeadlineError):
            ready = self._still_fits(job.request)
        with self.changed:
            if self._state.misfit is not None or self.closed.is_set():
                return
            job, error, is_outage = self._state.settle_doubt(ready=ready)
            failure = self._hold_or_fail(job, error) if is_outage else error
            outage = self._state.outage
        if outage is not None and not known and found == "unavailable":
            self._note_begin(outage)
        if failure is not None:
            job.future.set_exception(failure)

    def _wait_for_server(self, outage: Outage) -> None:
        """Ask until the server is ready, its model fits, and what was sent before has ended."""
        timeout, reported = 0.0, False
        while not self.closed.is_set():
            if outage.pause:
                self._wait(self.closed, outage.pause)
            found = self._found(timeout)
            ready = found is None
            if ready and (outage.noticed or outage.error.condition != "overloaded"):
                ready = self._still_fits(outage.request)
            if ready or self._state.misfit is not None or self.closed.is_set():
                break
            if found != "overloaded" or outage.error.condition != "overloaded":
                self._note_begin(outage)
            elif not reported:
                self._log.overloaded(outage.error)
                reported = True
            timeout = CONNECT_TIMEOUT
            outage.lengthen()
        if outage.error.condition == "overloaded" and not (outage.noticed or reported):
            self._log.overloaded(outage.error)
        with self.changed:
            # Requests sent before the outage come first; they end within their deadline.
            self.changed.wait_for(
                lambda: not (self._state.in_flight and self._state.hold) or self.closed.is_set()
            )
            if outage.resets_model:
                self._recovered()
            if self._state.outage is not None:
                self._state.resume()
        self.downtime.end()

    def _found(self, connect_timeout: float) -> Condition | None:
        """Ask the server: `None` if it is ready."""
        try:
            return None if self._is_ready(connect_timeout) else "unavailable"
        except TransportError as error:
            return error.condition

    def _still_fits(self, request: Request) -> bool:
        with self.changed:
            self._state.unconfirmed = False  # a result from now on sets it again
        try:
            fits = self._fits(request)
        except ContractError as misfit:
            with self.changed:
                ended = self._state.end_contract(misfit)
            complete(ended)
            return False
        if not fits:
            with self.changed:
                self._state.unconfirmed = True
        return fits

    def _send(self) -> None:
        with self.sending:
            with self.changed:
                if self.closed.is_set() or self._state.step() != "send":
                    return
                job = self._state.next_held()
            try:
                sent = self._inner.submit(job.request)
            except Exception as error:  # the transport was closed
                sent = Future()
                sent.set_exception(error)
        sent.add_done_callback(partial(self.ended, job))

    def _note_begin(self, outage: Outage) -> None:
        if not outage.noticed:
            outage.notice()
            self._log.began(outage.error)
            self.downtime.begin()
            self.overloaded_since = None
            self._began()

    def _note_end(self, outage: Outage) -> None:
        if outage.noticed:
            seconds = self._clock() - outage.began
            self._log.ended(seconds, resent=outage.resent, failed=outage.failed)
        elif outage.error.condition != "overloaded":
            self._log.request_failed(outage.error)


def complete(ended: Sequence[Ended]) -> None:
    """Complete the futures. This runs their callbacks, so call it without a lock."""
    for future, error in ended:
        future.set_exception(error)
