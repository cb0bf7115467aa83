"""Export frames as OpenTelemetry traces."""

from __future__ import annotations

import time
from collections.abc import Callable

from flowrun.errors import InvalidFlowError
from flowrun.ledger.fates import STAGES, Fate
from flowrun.spec.flow import TracesSpec

try:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context
except ImportError as error:
    raise InvalidFlowError(
        f"traces need OpenTelemetry ({error})",
        key="traces",
        hint="pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-grpc",
    ) from error

_QUEUE = 1024  # spans that wait to be sent; further ones are dropped
_BATCH = 512
_TIMEOUT = 1.0  # seconds for a batch; `close` waits for the last one


class Traces:
    """A span `frame` for every sampled frame, with a child span for each stage that it passed.

    A span ends when the frame meets its fate, which is among its attributes; a failure is an error.
    The stages follow each other from the capture on, and `sink` ends where the frame does: the gap
    before it is the time in the sink's queue. A thread of OpenTelemetry sends the spans; an
    unavailable collector costs spans, never a frame. `processor` replaces the exporter in tests.
    """

    def __init__(
        self,
        spec: TracesSpec,
        flow: str,
        processor: SpanProcessor | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self._sample = spec.sample
        self._clock = clock
        resource = Resource.create({"service.name": "flowrun", "flowrun.flow": flow})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor or _to_collector(spec.endpoint))
        self._tracer = self._provider.get_tracer("flowrun")

    def note(self, fate: Fate) -> None:
        """Make the spans of one frame; a listener of the ledger. Any thread; takes a fraction of a
        millisecond."""
        if not self._is_sampled(fate.index):
            return
        end = self._clock()
        at = end - _ns(fate.took["end_to_end"])
        frame = self._tracer.start_span("frame", start_time=at)
        frame.set_attribute("flowrun.frame.index", fate.index)
        frame.set_attribute("flowrun.frame.time", fate.time)
        frame.set_attribute("flowrun.fate", fate.fate)
        if fate.cause is not None:
            frame.set_attribute("flowrun.cause", fate.cause)
        if fate.fate == "failed":
            frame.set_status(Status(StatusCode.ERROR, fate.cause))
        for stage in STAGES:
            if stage in fate.took:
                length = _ns(fate.took[stage])
                at = end - length if stage == "sink" else at
                self._stage(frame, stage, at, at + length)
                at += length
        frame.end(end)

    def close(self) -> None:
        """Send the queued spans, within three seconds. Idempotent."""
        self._provider.shutdown()

    def _is_sampled(self, index: int) -> bool:
        # Evenly spread, and the same frames in every run.
        return int((index + 1) * self._sample) > int(index * self._sample)

    def _stage(self, frame: Span, name: str, begin: int, end: int) -> None:
        inside = set_span_in_context(frame)
        self._tracer.start_span(name, context=inside, start_time=begin).end(end)


def _to_collector(endpoint: str) -> SpanProcessor:
    exporter = OTLPSpanExporter(endpoint=endpoint, timeout=_TIMEOUT)
    return BatchSpanProcessor(exporter, max_queue_size=_QUEUE, max_export_batch_size=_BATCH)


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)
