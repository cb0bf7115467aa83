"""Run a flow: open its parts, subscribe, wait, close."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from reactivex import Observable

from flowrun.chain import policies
from flowrun.chain.compile import Threads, compile_flow
from flowrun.chain.expectations import sample_regularly
from flowrun.chain.fan_out import FanOut, SinkBranch, recount
from flowrun.chain.observer import Observer, Unobserved
from flowrun.chain.open_sinks import open_sinks
from flowrun.chain.queues import delivers_apart
from flowrun.chain.shutdown import Shutdown
from flowrun.chain.stages import Stages
from flowrun.chain.status import Status
from flowrun.chain.tensors import to_request
from flowrun.chain.threads import RunThreads
from flowrun.errors import HookError, RunError, SinkError
from flowrun.frame import Frame, VideoInfo
from flowrun.hooks.combinations import warn_of_unblurred_frames
from flowrun.hooks.guard import CallsInProgress
from flowrun.hooks.loader import Hook, open_hooks
from flowrun.hooks.outputs import HookOutputs
from flowrun.image.buffers import Buffers
from flowrun.inference import OutputReader
from flowrun.kserve.cassette.recorder import Recorder
from flowrun.kserve.connect import open_supervised
from flowrun.kserve.contract.model_info import ModelTransport
from flowrun.kserve.server.embedded import serving
from flowrun.kserve.startup import ServerWait
from flowrun.ledger.ledger import Ledger
from flowrun.ledger.losses import nothing_delivered
from flowrun.ledger.summary import Summary
from flowrun.media.claims import Claims
from flowrun.media.file_pattern import FilePattern
from flowrun.media.protocols import SinkContext, Source, SourceContext
from flowrun.media.sound_queue import SoundTap
from flowrun.media.sources import make_source
from flowrun.media.when import When
from flowrun.operators.loop import LoopScheduler
from flowrun.spec.flow import Flow, OnOutage, SourceSpec
from flowrun.spec.secrets import redact

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
        self._recorder = recorder
        self.ledger = Ledger()
        self.error: BaseException | None = None  # the first one that ends the run
        self._calls = CallsInProgress()
        self._shutdown = Shutdown(DRAIN + flow.transport.timeout)
        self._server_wait = ServerWait(flow.transport)
        self._status = Status(flow, self.ledger, self._shutdown)
        self._status.server_wait = self._server_wait.downtime
        self._listeners = ExitStack()  # they get every fate, so they are closed after the ledger
        self._claims = Claims()
        self._sound = SoundTap()

    def run(self) -> Summary:
        """Open everything, run until the source ends, `stop` or an error, and close everything.

        When this returns or raises, every frame has its fate and `summary` is final.
        """
        with self._status.noting_error(), self._listeners:
            self._listeners.callback(self._claims.close)
            try:
                with self._status.noting_error():
                    if self.flow.source.live is not False:  # it may wait for long
                        self._claim_files()
                    with ExitStack() as parts:
                        try:
                            self._go(parts)
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

    def _claim_files(self) -> None:
        """Claim all files before a sink creates one. A second time has no effect."""
        for key, spec in self.flow.sinks_by_key.items():
            if spec.is_series:
                pattern = FilePattern(spec.uri)
                source = self.flow.source
                if spec.keep and source.kind == "file" and pattern.matches(Path(source.uri)):
                    raise SinkError(
                        f"it could delete {source.uri}, which the source reads",
                        key=f"{key}.keep",
                        hint="write to another folder, or remove `keep`",
                    )
                self._claims.take_pattern(pattern, key)
            elif spec.file is not None:
                self._claims.take(spec.file, key, overwrite=spec.overwrite)

    def _go(self, parts: ExitStack) -> None:
        flow = policies.paced(self.flow)
        observer = self._observers(parts)
        preprocess = self._hooks(parts, "preprocess")
        postprocess = self._hooks(parts, "postprocess")
        warn_of_unblurred_frames(flow)
        buffers = Buffers()
        self._shutdown.when_stopped(self._server_wait.stop)
        waits = flow.source.live and policies.waits_for_server(flow, live=True)
        if waits and not self._server_wait.wait():  # before the source is open: its frames age
            return
        source, info = self._open_source(parts, flow.source, buffers)
        if info is None:
            return  # stopped before the first frame
        flow = policies.decided(flow, live=info.live)
        log.info(policies.reason(self.flow, flow.backpressure.policy, live=info.live))
        self._status.promises_all = flow.backpressure.policy == "every_frame"
        self._status.window = policies.window(flow, self.ledger.clock)
        on_outage = policies.on_outage(flow, live=info.live)
        reads = HookOutputs(postprocess) if postprocess else None
        transport = self._open_transport(parts, on_outage, info, buffers, reads)
        if transport is None:
            return
        self._claim_files()
        threads = RunThreads()
        self._shutdown.when_aborted(threads.main.stop)
        try:
            opened = self._open_sinks(parts, flow, info, threads)
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
            frames = self._sound.frames(source)
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

    def _observers(self, parts: ExitStack) -> Observer:
        """Open what reports the run while it runs; returns the observer that sees its frames."""
        flow = self.flow
        if flow.metrics is not None:
            from flowrun.observe.endpoint import Metrics

            parts.callback(Metrics(flow.metrics, self._status).close)
        observer = self._observe(self._status)
        parts.callback(observer.close)
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

    def _hooks(self, parts: ExitStack, key: str) -> tuple[Hook, ...]:
        hooks = open_hooks(getattr(self.flow, key), key, self._calls)
        parts.callback(self._close, hooks)
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

    def _open_source(
        self, parts: ExitStack, spec: SourceSpec, buffers: Buffers
    ) -> tuple[Source, VideoInfo | None]:
        sound = self.flow.copies_sound
        source = self._status.source = make_source(spec, SourceContext(buffers, sound=sound))
        parts.callback(source.close)
        self._shutdown.when_stopped(source.stop)
        info = self._status.info = source.open()
        if sound and info is not None and info.sound is None:
            log.info("source: %s has no sound", redact(spec.uri))
        return source, info

    def _open_transport(
        self,
        parts: ExitStack,
        on_outage: OnOutage,
        info: VideoInfo,
        buffers: Buffers,
        reads: OutputReader | None,
    ) -> ModelTransport | None:
        """Open the transport, for the hooks `reads`; `None` if the run is stopped while it waits
        for the server."""
        flow, like, unchanged = self.flow, None, False
        if not flow.preprocess:  # otherwise the first frame shows what they make of it
            blank = np.zeros((info.height, info.width, 3), np.uint8)
            like = to_request(blank, flow.transport, flow.source.color)
            (tensor,) = like.inputs.values()
            unchanged = np.may_share_memory(tensor, blank) and tensor.flags.c_contiguous
        opened = partial(
            open_supervised,
            flow.transport,
            on_outage,
            address=parts.enter_context(serving(flow.transport)),
            sample=like,
            shown=not flow.postprocess,
            reads=reads,
            buffers=buffers if unchanged else None,
            states=self._status.addresses,
            recorder=self._recorder,
        )
        waits = policies.waits_for_server(flow, live=info.live)
        transport = self._server_wait.open(opened) if waits else opened()
        if transport is None:
            return None
        self._status.transport = transport
        parts.callback(transport.close)
        self._shutdown.when_stopped(transport.release)
        return transport

    def _open_sinks(
        self, parts: ExitStack, flow: Flow, info: VideoInfo, threads: RunThreads
    ) -> tuple[SinkBranch, ...]:
        """Open all sinks; returns those that get frames."""
        self._status.branches, self._status.fate_branches = open_sinks(
            flow,
            partial(self._context, info),
            self.ledger,
            threads,
            with_chain=parts,
            with_ledger=self._listeners,
            when_aborted=self._shutdown.when_aborted,
        )
        return self._status.branches

    def _context(self, info: VideoInfo, key: str) -> SinkContext:
        spec = self.flow.sinks_by_key[key]
        when = self._status.selections[key] = When(spec.when)
        copied = info.sound if spec.audio == "copy" else None

        def unavailable_since() -> datetime | None:
            shown = self.flow.source.on_loss == "placeholder"
            source = self._status.source
            return source.unavailable_since if shown and source else None

        return SinkContext(
            info,
            self.flow.source.color,
            key=key,
            name=self.flow.name,
            run=self._status.run,
            when=when,
            stop=self.stop,
            unavailable_since=unavailable_since,
            status=self.status,
            claims=self._claims,
            sound=None if copied is None else self._sound.queue(copied, key),
        )
