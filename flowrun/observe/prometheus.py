"""The metrics of a run for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from flowrun import __version__
from flowrun.chain.status import Status
from flowrun.ledger.fates import DROP_CAUSES, FAIL_CAUSES, STAGES
from flowrun.ledger.histogram import Histogram
from flowrun.ledger.summary import Summary

_SINK_FATES = ("delivered", "dropped", "failed")
_SHORTEST, _LONGEST = 0.0005, 30.0  # seconds: the edges of the histograms lie between


class RunCollector(Collector):
    """Reads the ledger and the status at each scrape, and costs nothing otherwise. From any thread.

    Everything has the label `flow`; units are seconds, bytes, frames and requests. The histograms
    count exactly, with two edges per doubling from 0.5 ms to 25 s.
    """

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        summary = self._status.summary()
        yield from self._counts(summary)
        yield from self._parts(summary)
        yield from self._queues()
        yield from self._times(summary)

    def _counts(self, summary: Summary) -> Iterator[Metric]:
        ledger = self._status.ledger
        captured = _counter("flowrun_frames_captured", "Frames captured from the source.")
        captured.add_metric([summary.flow], summary.captured)
        yield captured
        fates = _counter("flowrun_frames", "Frames by fate and cause.", "fate", "cause")
        fates.add_metric([summary.flow, "delivered", ""], summary.delivered)
        for cause in DROP_CAUSES:
            fates.add_metric([summary.flow, "dropped", cause], summary.dropped[cause])
        for failure in FAIL_CAUSES:
            fates.add_metric([summary.flow, "failed", failure], summary.failed[failure])
        fates.add_metric([summary.flow, "aborted", ""], summary.aborted)
        yield fates
        size = _counter("flowrun_frame_bytes", "Bytes of the captured pictures, uncompressed.")
        size.add_metric([summary.flow], ledger.bytes)
        yield size
        sinks = _counter("flowrun_sink_frames", "Frames of each sink by fate.", "sink", "fate")
        repeated = _counter(
            "flowrun_frames_repeated", "Frames that a sink repeated to keep its frame rate.", "sink"
        )
        for sink in summary.sinks:
            for fate in _SINK_FATES:
                sinks.add_metric([summary.flow, sink["sink"], fate], sink[fate])
            repeated.add_metric([summary.flow, sink["sink"]], sink["repeated"])
        yield from (sinks, repeated)

    def _parts(self, summary: Summary) -> Iterator[Metric]:
        flow, status = summary.flow, self._status
        unavailable, state = status.unavailable(), status.state
        broken = {each["key"] for each in summary.expect if each["holds"] is False}
        ready = _gauge(
            "flowrun_ready",
            "1 while the flow runs, all its parts are available and no expectation is broken.",
        )
        ready.add_metric([flow], state == "running" and not unavailable and not broken)
        yield ready
        holds = _gauge(
            "flowrun_expectation_met", "0 while the last minute breaks the expectation.", "key"
        )
        for each in self._status.expectations.checks:
            holds.add_metric([flow, each.key], each.key not in broken)
        yield holds
        up = _gauge("flowrun_part_up", "1 while the part is available.", "part")
        sinks = [sink["sink"] for sink in summary.sinks] or ["sink"]
        for part in ("source", "transport", *sinks):
            up.add_metric([flow, part], part not in unavailable)
        yield up
        addresses = _gauge(
            "flowrun_address_up",
            "1 while the address is available, of a model server that has several.",
            "address",
        )
        for address, since in status.addresses.unavailable_since.items():
            addresses.add_metric([flow, address], since is None)
        yield addresses
        reconnects = _counter("flowrun_reconnects", "Reconnects of a part.", "part")
        for part, count in summary.reconnects.items():
            reconnects.add_metric([flow, part], count)
        yield reconnects
        generations = _counter(
            "flowrun_generations", "Streams to the model; a stateful model starts anew with each."
        )
        generations.add_metric([flow], summary.generation)
        yield generations
        spec = self._status.flow.transport
        info = InfoMetricFamily(
            "flowrun",
            "Model, mode and version of flowrun.",
            labels=["flow", "model", "mode"],
        )
        info.add_metric([flow, spec.model, spec.mode], {"version": __version__})
        yield info

    def _queues(self) -> Iterator[Metric]:
        flow, window = self._status.flow.name, self._status.window
        depth = _gauge("flowrun_queue_frames", "Frames in a queue.", "queue")
        capacity = _gauge("flowrun_queue_capacity_frames", "Capacity of a queue.", "queue")
        oldest = _gauge(
            "flowrun_queue_oldest_seconds",
            "Time since the oldest frame in a queue was captured; 0 if it is empty.",
            "queue",
        )
        for queue in self._status.queues():
            depth.add_metric([flow, queue["name"]], queue["depth"])
            capacity.add_metric([flow, queue["name"]], queue["capacity"])
            oldest.add_metric([flow, queue["name"]], queue["oldest_s"] or 0.0)
        yield from (depth, capacity, oldest)
        inside = _gauge(
            "flowrun_in_flight_requests",
            "Requests in flight, until the sink has the frame.",
        )
        inside.add_metric([flow], window.inside)
        allowed = _gauge("flowrun_window_requests", "Requests allowed in flight now.")
        allowed.add_metric([flow], window.value)
        yield from (inside, allowed)

    def _times(self, summary: Summary) -> Iterator[Metric]:
        flow, ledger = summary.flow, self._status.ledger
        whole = HistogramMetricFamily(
            "flowrun_latency_seconds",
            "Time from the capture of a frame to its delivery.",
            labels=["flow"],
        )
        whole.add_metric([flow], *_buckets(ledger.latencies.end_to_end))
        yield whole
        stages = HistogramMetricFamily(
            "flowrun_stage_seconds", "Time of a frame in a stage.", labels=["flow", "stage"]
        )
        for stage in STAGES:
            stages.add_metric([flow, stage], *_buckets(ledger.latencies.stages[stage]))
        yield stages
        hooks = SummaryMetricFamily(
            "flowrun_hook_seconds", "Time of a frame in a hook.", labels=["flow", "hook", "name"]
        )
        for each in ledger.latencies.hooks:
            hooks.add_metric([flow, each.hook, each.name], each.took.count, each.took.total)
        yield hooks
        period = _gauge(
            "flowrun_frame_period_seconds",
            "Median time between frames of the source.",
        )
        if summary.period_ms is not None:
            period.add_metric([flow], summary.period_ms / 1000)
        yield period


def _counter(name: str, help_: str, *labels: str) -> CounterMetricFamily:
    return CounterMetricFamily(name, help_, labels=["flow", *labels])


def _gauge(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_, labels=["flow", *labels])


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    counts = histogram.cumulative(2)
    shown = [(str(edge), count) for edge, count in counts if _SHORTEST < edge < _LONGEST]
    return [*shown, ("+Inf", counts[-1][1])], histogram.total
