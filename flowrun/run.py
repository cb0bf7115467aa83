"""One run: open the parts, subscribe, wait, close."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack

from flowrun.compile import Threads, compile_flow
from flowrun.errors import InvalidFlowError, RunError
from flowrun.frame import VideoInfo
from flowrun.hooks.hook import Hook, open_hooks
from flowrun.kserve.models import resolve_model
from flowrun.kserve.server import EmbeddedServer
from flowrun.kserve.transport import ModelTransport, open_transport
from flowrun.ledger import Ledger, Summary
from flowrun.media.protocols import Feed, Sink, Source
from flowrun.media.sinks import open_sink
from flowrun.media.sources import make_source
from flowrun.operators.loop import LoopScheduler, ThreadLoop
from flowrun.spec.flow import Flow
from flowrun.stages import Stages

log = logging.getLogger("flowrun")

DRAIN = 30.0  # seconds beyond `transport.timeout` that `stop` gives to what is in flight
JOIN = 5.0  # seconds for a thread to leave a hook or a read once everything is closed


class Run:
    """A run that can be stopped. `run` once, on the thread that postprocessing and the sink shall
    have; `stop` and `abort` from any other thread (not from a signal handler)."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.ledger = Ledger()
        self._lock = threading.Lock()
        self._stopping = False
        self._aborted = False
        self._on_stop: list[Callable[[], None]] = []
        self._on_abort: list[Callable[[], None]] = []
        self._deadline: threading.Timer | None = None
        self._transport: ModelTransport | None = None

    def run(self) -> Summary:
        """Open everything, run until the source ends, `stop` or an error, and close everything.

        Every frame has its fate when this returns or raises; `summary` then is final.
        """
        if len(self.flow.sinks) != 1:
            raise InvalidFlowError("several sinks are not supported yet", key="sink")
        try:
            with ExitStack() as parts:
                self._go(parts)
        finally:
            if self._deadline is not None:
                self._deadline.cancel()
            self.ledger.close()
        return self.summary()

    def summary(self) -> Summary:
        """The books as they are now. From any thread."""
        return self.ledger.summary(
            self.flow.name,
            window=self.flow.transport.in_flight,
            transport_reopened=self._transport.reopened if self._transport else 0,
        )

    def stop(self) -> None:
        """Capture nothing more; what is in flight is finished, within `DRAIN`. Idempotent."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            actions = list(self._on_stop)
            self._deadline = threading.Timer(DRAIN + self.flow.transport.timeout, self.abort)
            self._deadline.daemon = True
            self._deadline.start()
        for act in actions:
            act()

    def abort(self) -> None:
        """Give up what is in flight; `run` returns within a second unless a hook holds its thread.
        Idempotent."""
        self.stop()
        with self._lock:
            if self._aborted:
                return
            self._aborted = True
            actions = list(self._on_abort)
        for act in actions:
            act()

    def _go(self, parts: ExitStack) -> None:
        flow = self.flow
        preprocess = self._hooks(parts, "preprocess")
        postprocess = self._hooks(parts, "postprocess")
        source, info = self._source(parts)
        if info is None:
            return  # stopped before there was a frame
        transport = self._open_transport(parts)
        sink = self._sink(parts, info)
        stages = Stages(
            flow.transport,
            preprocess=preprocess,
            transport=transport,
            postprocess=postprocess,
            sink=sink,
            ledger=self.ledger,
        )
        self._subscribe(source, stages)
        self._check_something_came(stages)

    def _subscribe(self, source: Source, stages: Stages) -> None:
        errors: list[Exception] = []
        deliver = LoopScheduler()
        self._when_aborted(deliver.stop)
        threads = [ThreadLoop(f"flowrun-{name}", deliver.fail) for name in ("source", "preprocess")]
        on = Threads(threads[0], threads[1], deliver)
        chain = compile_flow(self.flow, source, stages, self.ledger, on)

        def failed(error: Exception) -> None:
            errors.append(error)
            deliver.stop()

        subscription = chain.subscribe(on_error=failed, on_completed=deliver.stop)
        try:
            deliver.run()
        finally:
            subscription.dispose()
            source.stop()
            for thread in threads:
                thread.stop()
            for thread in threads:
                if not thread.join(0.2 if self._aborted else JOIN):
                    log.warning("the run is over, but a hook has not returned yet")
        if errors and not self._aborted:
            raise errors[0]

    def _check_something_came(self, stages: Stages) -> None:
        captured, delivered = self.ledger.counts
        if captured and not delivered and stages.last_complaint and not self._stopping:
            raise RunError(f"no frame was delivered; the last error: {stages.last_complaint}")

    def _hooks(self, parts: ExitStack, key: str) -> tuple[Hook, ...]:
        hooks = open_hooks(getattr(self.flow, key), key)
        for hook in hooks:
            parts.callback(hook.close)
        return hooks

    def _source(self, parts: ExitStack) -> tuple[Source, VideoInfo | None]:
        source = make_source(self.flow.source)
        parts.callback(source.close)
        self._when_stopped(source.stop)
        return source, source.open()

    def _open_transport(self, parts: ExitStack) -> ModelTransport:
        spec = self.flow.transport
        address = None
        if spec.embedded:
            server = EmbeddedServer({spec.model: resolve_model(spec.model)})
            parts.callback(server.close)
            address = (server.address,)
        self._transport = open_transport(spec, address=address, pictures=not self.flow.preprocess)
        parts.callback(self._transport.close)
        return self._transport

    def _sink(self, parts: ExitStack, info: VideoInfo) -> Sink:
        feed = Feed(info, self.flow.source.color, name=self.flow.name, stop=self.stop)
        sink = open_sink(self.flow.sinks[0], feed)
        parts.callback(sink.close)
        self._when_aborted(sink.abort)
        return sink

    def _when_stopped(self, act: Callable[[], None]) -> None:
        """Do `act` at `stop`: now, if it has come already."""
        with self._lock:
            self._on_stop.append(act)
            late = self._stopping
        if late:
            act()

    def _when_aborted(self, act: Callable[[], None]) -> None:
        with self._lock:
            self._on_abort.append(act)
            late = self._aborted
        if late:
            act()
