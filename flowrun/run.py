"""Run a flow: open its parts, subscribe, wait, close."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from reactivex import Observable

from flowrun.chain import policies
from flowrun.chain.compile import Threads, compile_flow
from flowrun.chain.expectations import sample_regularly
from flowrun.chain.fan_out import FanOut, recount
from flowrun.chain.observer import Observer, Unobserved
from flowrun.chain.parts import Parts
from flowrun.chain.queues import delivers_apart
from flowrun.chain.shutdown import Shutdown
from flowrun.chain.stages import Stages
from flowrun.chain.status import Status
from flowrun.chain.threads import RunThreads
from flowrun.errors import HookError, RunError
from flowrun.frame import Frame
from flowrun.hooks.combinations import warn_of_unblurred_frames
from flowrun.hooks.guard import CallsInProgress
from flowrun.hooks.loader import Hook, open_hooks
from flowrun.hooks.outputs import HookOutputs
from flowrun.image.buffers import Buffers
from flowrun.kserve.cassette.recorder import Recorder
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.losses import nothing_delivered
from flowrun.ledger.summary import Summary
from flowrun.operators.loop import LoopScheduler
from flowrun.spec.flow import Flow

log = logging.getLogger("flowrun")

DRAIN = 30.0  # seconds beyond `transport.timeout` that `stop` waits for the frames in flight
_LESS_MEMORY = "a smaller `source.size` and `transport.in_flight`, and fewer sinks, need less"
JOIN = 5.0  # seconds that a thread may stay in a hook or a read once everything is closed


class Run:
    """A run that can be stopped. Call `run` once, on the thread for postprocessing and the sink;
    `stop` and `abort` from any other thread (not from a signal handler). `recorder` gets what is
    exchanged with the model server; the caller finishes it."""

    def __init__(
        self,
        flow: Flow,
        observe: Callable[[Status], Observer] = Unobserved,
        recorder: Recorder | None = None,
    ) -> None:
        """`observe` makes an observer of the run's status before anything is opened."""
        self.flow = flow
        self._observe = observe
        self.ledger = Ledger()
        self.error: BaseException | None = None  # the first one that ends the run
        self._calls = CallsInProgress()
        self._shutdown = Shutdown(DRAIN + flow.transport.timeout)
        self._status = Status(flow, self.ledger, self._shutdown)
        self._listeners = ExitStack()  # they get every fate, so they are closed after the ledger
        self._parts = Parts(
            flow, self.ledger, self._status, self._shutdown, self._listeners, recorder
        )

    def run(self) -> Summary:
        """Open everything, run until the source ends, `stop` or an error, and close everything.

        When this returns or raises, every frame has its fate and `summary` is final.
        """
        with self._status.noting_error(), self._listeners:
            try:
                with self._status.noting_error():
                    if self.flow.source.live is not False:  # it may wait for long
                        self._parts.claim_files()
                    with ExitStack() as closing:
                        try:
                            self._go(closing)
                        except MemoryError as error:
                            self.error = RunError(f"out of memory: {error}", hint=_LESS_MEMORY)
                            raise self.error from error
                        except BaseException as error:
                            self.error = error
                            raise
            finally:
                self._shutdown.close()
                recount(self.ledger, self._status.branches)
                self.ledger.close()
                self._status.end()
        return self.summary()

    def summary(self) -> Summary:
        """The summary so far. From any thread."""
        return self._status.summary()

    def status(self) -> dict[str, Any]:
        """The current status for JSON: the keys of the summary and, in addition,

        `state`        "starting", "running", "stopping" or "ended"
        `ready`        whether it runs, source, model server and sinks are available, and no
                       expectation is broken
        `broken`       a sentence for each expectation of the flow that the last minute breaks
        `waiting_for`  a sentence for each part that is not, such as "source: rtsp://… is
                       unavailable since 12:00:01", and for a model server that is overloaded
        `queues`       for each `name` ("buffer", or the sink's key), `depth` and `capacity` in
                       frames, and `oldest_s`, the time since the oldest frame was captured
        `in_flight`    current number of requests, and `window`, the number allowed
        `fps_now`      frames delivered per second over the last four seconds
        `source`       `live`, `width`, `height`, `fps`, `duration`, `frames` (`None` if unknown),
                       and `time`, the seconds of it captured so far
        `addresses`    for each `address` of the model server, if there are several,
                       `unavailable_since` (`None` while it is available)
        `latency_histogram`  of the time from capture to sink, by ascending `up_to_ms`, with
                       `frames` for each

        From any thread, at any time; takes about a millisecond, and costs nothing per frame.
        """
        return self._status.to_json()

    def stop(self) -> None:
        """Capture no more frames and finish those in flight, within `DRAIN`. Idempotent."""
        self._shutdown.stop()

    def abort(self) -> None:
        """Abort the frames in flight; `run` returns within a second unless a hook
        blocks its thread. Idempotent."""
        self._shutdown.abort()

    def when_overdue(self, act: Callable[[], None]) -> None:
        """Call `act`, on a thread of its own, if `run` has not returned soon after an abort, or if
        the `close()` of hooks takes too long. Call this before `run`."""
        self._shutdown.when_overdue(act)

    def unreturned(self) -> list[str]:
        """The calls of hooks that are in progress, each with its hook, frame and line."""
        return self._calls.unreturned()

    def _go(self, closing: ExitStack) -> None:
        flow = policies.paced(self.flow)
        observer = self._observers(closing)
        preprocess = self._hooks(closing, "preprocess")
        postprocess = self._hooks(closing, "postprocess")
        warn_of_unblurred_frames(flow)
        buffers = Buffers()
        waits = flow.source.live and policies.waits_for_server(flow, live=True)
        if waits and not self._parts.wait_for_server():  # before the source is open: its frames age
            return
        source, info = self._parts.open_source(closing, flow.source, buffers)
        if info is None:
            return  # stopped before the first frame
        flow = policies.decided(flow, live=info.live)
        log.info(policies.reason(self.flow, flow.backpressure.policy, live=info.live))
        self._status.promises_all = flow.backpressure.policy == "every_frame"
        self._status.window = policies.window(flow, self.ledger.clock)
        on_outage = policies.on_outage(flow, live=info.live)
        reads = HookOutputs(postprocess) if postprocess else None
        transport = self._parts.open_transport(closing, on_outage, info, buffers, reads)
        if transport is None:
            return
        self._parts.claim_files()
        threads = RunThreads()
        self._shutdown.when_aborted(threads.main.stop)
        try:
            opened = self._parts.open_sinks(closing, flow, info, threads)
            branches = FanOut(self.ledger, opened, observer.show)
            observer.opened(info)
            sample_regularly(self._status.expectations, partial(threads.thread, "expectations"))
            stages = Stages(
                flow.transport,
                preprocess=preprocess,
                transport=transport,
                postprocess=postprocess,
                ledger=self.ledger,
                window=self._status.window,
                buffer=self._status.buffer,
                max_age=flow.backpressure.max_age,
                color=flow.source.color,
            )
            on = Threads(
                threads.thread("source"),
                threads.thread("preprocess"),
                threads.thread("deliver") if delivers_apart(flow) else threads.main,
            )
            frames = self._parts.sound.frames(source)
            self._subscribe(
                compile_flow(flow, frames, stages, branches, self.ledger, on, self._failing),
                threads.main,
            )
        finally:
            source.stop()
            if not threads.stop(0.2 if self._shutdown.aborted else JOIN):
                for call in self.unreturned() or ["the source or a sink"]:
                    log.warning("the run has ended, but %s has not returned", call)
        if flow.transport.in_flight == "auto":
            log.info("in_flight: auto has found a window of %d", self._status.window.settled)
        for key, when in self._status.selections.items():
            if when.unknown:
                log.warning("%s.when: no hook has attached anything named %r", key, when.name)
        if branches.errors and not self._shutdown.aborted:
            raise branches.errors[0]
        self._check_delivered()

    def _observers(self, closing: ExitStack) -> Observer:
        """Open what reports the run while it runs; returns the observer that sees its frames."""
        flow = self.flow
        if flow.metrics is not None:
            from flowrun.observe.endpoint import Metrics

            closing.callback(Metrics(flow.metrics, self._status).close)
        observer = self._observe(self._status)
        closing.callback(observer.close)
        if flow.traces is not None:
            from flowrun.observe.traces import Traces

            traces = Traces(flow.traces, flow.name)
            self._listeners.callback(traces.close)
            self.ledger.on_fate(traces.note)
        return observer

    def _subscribe(self, chain: Observable[Frame], main: LoopScheduler) -> None:
        errors: list[Exception] = []

        def failed(error: Exception) -> None:
            errors.append(error)
            main.stop()

        subscription = chain.subscribe(on_error=failed, on_completed=main.stop)
        try:
            main.run()
        finally:
            subscription.dispose()
        if errors and not self._shutdown.aborted:
            raise errors[0]
        if self.error is not None:
            raise self.error

    def _failing(self, error: Exception) -> None:
        """An error before the model: the frames before it are finished first, within `DRAIN`."""
        if not self._shutdown.stopping:
            self.error = self.error or error
            self._shutdown.limit()

    def _check_delivered(self) -> None:
        problem = nothing_delivered(self.ledger.counts())
        if problem is not None and not self._shutdown.stopping:
            raise RunError(problem)

    def _hooks(self, closing: ExitStack, key: str) -> tuple[Hook, ...]:
        hooks = open_hooks(getattr(self.flow, key), key, self._calls)
        closing.callback(self._close, hooks)
        return hooks

    def _close(self, hooks: Sequence[Hook]) -> None:
        """Close all hooks, in reverse order. Raises the first error, if the run has none yet."""
        self._shutdown.closing()
        before = self.error
        for hook in reversed(hooks):
            try:
                hook.close()
            except HookError as error:
                if self.error is None:
                    self.error = error
                else:
                    log.warning("%s", error)
        if before is None and self.error is not None:
            raise self.error
