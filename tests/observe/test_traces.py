"""Frames as spans: in memory, at a collector, and with an unavailable one."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowrun.errors import InvalidFlowError
from flowrun.ledger.fates import Fate
from flowrun.run import Run
from flowrun.spec.flow import Flow, Limits, SinkSpec, SourceSpec, TracesSpec, TransportSpec

if os.environ.get("FLOWRUN_REQUIRE") != "all":
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")

from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as stubs
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from flowrun.observe.traces import Traces

LIMIT = 10.0  # seconds, a guard against hanging
END = 1_700_000_000_000_000_000  # nanoseconds since the epoch: when every fate is met here
MS = 1_000_000


def spans_of(*fates: Fate, sample: float = 1.0) -> tuple[ReadableSpan, ...]:
    exporter = InMemorySpanExporter()
    spec = TracesSpec("http://localhost:4317", sample)
    traces = Traces(spec, "f", SimpleSpanProcessor(exporter), clock=lambda: END)
    for fate in fates:
        traces.note(fate)
    traces.close()
    return exporter.get_finished_spans()


def fate(index: int = 7, name: Any = "delivered", cause: Any = None, **took: float) -> Fate:
    return Fate(index, index / 25, name, cause, {"end_to_end": 0.1, **took}, {})


def test_a_frame_is_a_span_with_its_stages_one_after_the_other_inside() -> None:
    *stages, frame = spans_of(
        fate(buffer=0.01, preprocess=0.005, transport=0.04, order=0.0, postprocess=0.01, sink=0.02)
    )
    assert frame.name == "frame"
    assert (frame.start_time, frame.end_time) == (END - 100 * MS, END)
    assert dict(frame.attributes or {}) == {
        "flowrun.frame.index": 7,
        "flowrun.frame.time": 0.28,
        "flowrun.fate": "delivered",
    }
    assert frame.status.is_unset
    assert frame.resource.attributes["service.name"] == "flowrun"
    assert frame.resource.attributes["flowrun.flow"] == "f"
    found = [
        (each.name, (each.start_time or 0) - END, (each.end_time or 0) - END) for each in stages
    ]
    assert found == [
        ("buffer", -100 * MS, -90 * MS),
        ("preprocess", -90 * MS, -85 * MS),
        ("transport", -85 * MS, -45 * MS),
        ("order", -45 * MS, -45 * MS),
        ("postprocess", -45 * MS, -35 * MS),
        ("sink", -20 * MS, 0),  # after 15 ms in the queue of the sink
    ]
    assert frame.context is not None
    assert {each.parent.span_id for each in stages if each.parent} == {frame.context.span_id}
    assert {each.context.trace_id for each in stages if each.context} == {frame.context.trace_id}


def test_a_frame_that_fails_is_an_error_with_its_cause_and_a_dropped_one_is_none() -> None:
    buffer, failed, dropped = spans_of(
        fate(1, "failed", "timeout", buffer=0.01), fate(2, "dropped", "superseded")
    )
    assert buffer.name == "buffer"
    assert (failed.status.is_ok, failed.status.description) == (False, "timeout")
    assert failed.attributes
    assert failed.attributes["flowrun.cause"] == "timeout"
    assert dropped.attributes
    assert dropped.attributes["flowrun.cause"] == "superseded"
    assert dropped.status.is_unset


@given(sample=st.floats(0.001, 1.0), count=st.integers(0, 200))
def test_as_many_frames_are_traced_as_the_share_says_and_evenly(sample: float, count: int) -> None:
    traced = [
        span.attributes["flowrun.frame.index"]
        for span in spans_of(*map(fate, range(count)), sample=sample)
        if span.attributes
    ]
    assert len(traced) == pytest.approx(count * sample, abs=1)
    gaps = [b - a for a, b in pairwise(traced)]  # type: ignore[operator]
    assert all(abs(gap - 1 / sample) <= 1 for gap in gaps)


class Collector(stubs.TraceServiceServicer):
    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return pb.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    """A collector that takes OTLP over gRPC, and its endpoint."""
    collector = Collector()
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        stubs.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield collector, f"http://127.0.0.1:{port}"
        server.stop(None).wait(LIMIT)


def traced(endpoint: str) -> Run:
    return Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@30"),
            transport=TransportSpec(mode="stream", address=("embedded",), model="identity"),
            sinks=(SinkSpec("null"),),
            limits=Limits(frames=40),
            traces=TracesSpec(endpoint, sample=0.5),
        )
    )


def threads() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith(("flowrun", "Otel"))]


def test_a_collector_has_every_second_frame_of_a_run_when_that_has_returned(
    collector: tuple[Collector, str],
) -> None:
    there, endpoint = collector
    assert traced(endpoint).run().delivered == 40
    frames = [span for span in there.spans if span.name == "frame"]
    indices = [
        a.value.int_value for f in frames for a in f.attributes if a.key == "flowrun.frame.index"
    ]
    assert indices == list(range(1, 40, 2))
    stages = [span.name for span in there.spans if span.parent_span_id == frames[0].span_id]
    assert stages == ["buffer", "preprocess", "transport", "order", "postprocess", "sink"]
    assert threads() == []


def test_an_unavailable_collector_costs_no_frame(free_address: Any) -> None:
    assert traced(f"http://{free_address()}").run().delivered == 40
    assert threads() == []


def test_without_opentelemetry_the_error_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.delitem(sys.modules, "flowrun.observe.traces")
    with pytest.raises(InvalidFlowError) as caught:
        importlib.import_module("flowrun.observe.traces")
    assert str(caught.value) == (
        "traces: traces need OpenTelemetry (import of opentelemetry.sdk.trace halted; None in"
        " sys.modules)\n"
        "  pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-grpc"
    )
