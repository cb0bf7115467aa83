"""The metrics, health checks and status of a run over HTTP."""

from __future__ import annotations

import json
import math
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from flowrun.errors import RunError
from flowrun.frame import Frame
from flowrun.ledger.fates import DROP_CAUSES, FAIL_CAUSES, STAGES, Fate
from flowrun.observe.endpoint import Metrics
from flowrun.observe.prometheus import RunCollector
from flowrun.operators.limit import Limit
from flowrun.run import Run
from flowrun.spec.expectations import expectations
from flowrun.spec.flow import (
    ExpectSpec,
    Flow,
    Limits,
    MetricsSpec,
    SinkSpec,
    SourceSpec,
    TransportSpec,
)

LIMIT = 10.0  # seconds, a guard against hanging
IMAGE = np.zeros((2, 2, 3), np.uint8)
DOCS = Path(__file__).parents[2] / "docs/operating.md"
NAME = 'a "flow" \\ and more'  # what a label must escape
FATES = ["delivered", *DROP_CAUSES, *FAIL_CAUSES]
Values = dict[tuple[str, frozenset[tuple[str, str]]], float]


def text_of(run: Any) -> str:
    registry = CollectorRegistry()
    registry.register(RunCollector(run.status))
    return generate_latest(registry).decode()


def scrape(run: Any) -> Values:
    """What a Prometheus would store, without the label `flow`, which all have."""
    values: Values = {}
    for family in text_string_to_metric_families(text_of(run)):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("flow") == run.status.flow.name
            values[sample.name, frozenset(labels.items())] = sample.value
    return values


def value(values: Values, metric: str, /, **labels: str) -> float:
    return values[metric, frozenset(labels.items())]


@given(fates=st.lists(st.tuples(st.sampled_from(FATES), st.floats(0.0, 60.0)), max_size=30))
def test_fates_and_times_are_those_of_the_ledger(
    fake_run: Any, fates: list[tuple[str, float]]
) -> None:
    run = fake_run(NAME)
    run.open()
    latencies, spent = [], dict.fromkeys(STAGES, 0.0)
    for index, (fate, seconds) in enumerate(fates):
        frame = Frame(IMAGE, index, index / 25, 1 / 25, run.now)
        run.ledger.captured(frame)
        stage = STAGES[index % len(STAGES)]
        run.ledger.took(stage, seconds)
        spent[stage] += seconds
        began, run.now = run.now, run.now + seconds
        if fate == "delivered":
            latencies.append(run.now - began)
            run.ledger.delivered(frame)
        elif fate in DROP_CAUSES:
            run.ledger.dropped(frame, fate)
        else:
            run.ledger.failed(frame, fate)
    found = scrape(run)
    counts = {fate: sum(1 for each, _ in fates if each == fate) for fate in FATES}
    kinds = dict.fromkeys(DROP_CAUSES, "dropped") | dict.fromkeys(FAIL_CAUSES, "failed")
    for cause, kind in kinds.items():
        assert value(found, "flowrun_frames_total", fate=kind, cause=cause) == counts[cause]
    for kind, count in (("delivered", counts["delivered"]), ("aborted", 0)):
        assert value(found, "flowrun_frames_total", fate=kind, cause="") == count
    assert value(found, "flowrun_frames_captured_total") == len(fates)
    assert value(found, "flowrun_frame_bytes_total") == 12 * len(fates)
    buckets = {
        float(dict(labels)["le"]): count
        for (name, labels), count in found.items()
        if name == "flowrun_latency_seconds_bucket"
    }
    edges = list(buckets)
    assert edges == sorted(set(edges))
    assert (edges[0], edges[-2:], len(edges)) == (0.000512, [25.165824, math.inf], 33)
    for edge, not_above in buckets.items():
        assert not_above == sum(latency <= edge for latency in latencies)
    assert value(found, "flowrun_latency_seconds_count") == len(latencies)
    assert value(found, "flowrun_latency_seconds_sum") == pytest.approx(sum(latencies))
    for stage, seconds in spent.items():
        assert value(found, "flowrun_stage_seconds_sum", stage=stage) == pytest.approx(seconds)


def test_parts_queues_window_and_hooks_have_metrics_from_the_start(fake_run: Any) -> None:
    run = fake_run(NAME)
    before = scrape(run)
    assert value(before, "flowrun_ready") == 0
    for part in ("source", "transport", "sink"):
        assert value(before, "flowrun_part_up", part=part) == 0
    run.open()
    run.source.unavailable_since = datetime(2024, 5, 6)
    run.status.addresses.set({"one:1": None, "two:2": datetime(2024, 5, 6)})
    run.status.window = Limit(4)
    run.status.window.enter()
    run.ledger.latencies.hook("postprocess[0]", "my:hook").add(0.25)
    found = scrape(run)
    assert value(found, "flowrun_ready") == 0
    assert value(found, "flowrun_part_up", part="source") == 0
    assert value(found, "flowrun_part_up", part="transport") == 1
    assert value(found, "flowrun_address_up", address="one:1") == 1
    assert value(found, "flowrun_address_up", address="two:2") == 0
    assert value(found, "flowrun_reconnects_total", part="transport") == 3
    assert value(found, "flowrun_generations_total") == 4
    assert value(found, "flowrun_frames_repeated_total", sink="sink[0]") == 5
    sinks = [
        value(found, "flowrun_sink_frames_total", sink="sink[0]", fate=fate)
        for fate in ("delivered", "dropped", "failed")
    ]
    assert sinks == [4, 5, 6]
    assert value(found, "flowrun_queue_frames", queue="buffer") == 0
    assert value(found, "flowrun_queue_oldest_seconds", queue="buffer") == 0
    assert value(found, "flowrun_in_flight_requests") == 1
    assert value(found, "flowrun_window_requests") == 4
    hook = {"hook": "postprocess[0]", "name": "my:hook"}
    assert value(found, "flowrun_hook_seconds_sum", **hook) == 0.25
    assert value(found, "flowrun_hook_seconds_count", **hook) == 1
    run.source.unavailable_since = None
    assert value(scrape(run), "flowrun_ready") == 1
    assert "secret" not in text_of(run)


def test_no_series_appears_or_disappears_with_its_value(fake_run: Any) -> None:
    # A counter that is not there before it counts makes a rate that misses its first event.
    run = fake_run(NAME)
    run.open()
    empty = set(scrape(run))
    for index in range(3):
        frame = Frame(IMAGE, index, index / 25, 1 / 25, run.now)
        run.ledger.captured(frame)
        run.ledger.dropped(frame, "stale")
    assert set(scrape(run)) - empty == {("flowrun_frame_period_seconds", frozenset())}


@pytest.fixture
def served() -> Iterator[Callable[[Any], str]]:
    """The URL of the metrics of a run."""
    opened: list[Metrics] = []

    def served(run: Any) -> str:
        opened.append(Metrics(MetricsSpec("127.0.0.1:0"), run.status))
        return opened[-1].url

    yield served
    for each in opened:
        each.close()


def get(url: str, accept: str = "*/*") -> tuple[int, str, str]:
    """Status, type and text."""
    try:
        asked = urllib.request.Request(url, headers={"Accept": accept})
        with urllib.request.urlopen(asked, timeout=LIMIT) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers["Content-Type"], answer.read().decode()


def test_a_run_is_alive_from_the_start_and_ready_when_its_parts_are_available(
    served: Callable[[Any], str], fake_run: Any
) -> None:
    run = fake_run(NAME)
    url, text = served(run), "text/plain; charset=utf-8"
    assert get(f"{url}/livez") == (200, text, "alive\n")
    assert get(f"{url}/readyz") == (
        503,
        text,
        "source: rtsp://***@in/a is not open yet\n"
        "transport: one:1, two:2 is not open yet\n"
        "sink: null, rtsp://***@out/b is not open yet\n",
    )
    run.open()
    assert get(f"{url}/readyz") == (200, text, "ready\n")
    run.source.unavailable_since = datetime(2024, 5, 6, 12, 0, 1)
    unavailable = "source: rtsp://***@in/a is unavailable since 12:00:01\n"
    assert get(f"{url}/readyz") == (503, text, unavailable)
    run.source.unavailable_since = None
    run.shutdown.stop()
    run.shutdown.close()
    assert get(f"{url}/readyz") == (503, text, "the run is stopping\n")
    assert get(f"{url}/livez")[0] == 200


def test_a_broken_expectation_is_a_reason_beside_parts_that_are_unavailable(
    served: Callable[[Any], str], fake_run: Any
) -> None:
    run = fake_run(NAME, ExpectSpec(30.0, expectations({"dropped": 0, "attached.n": ">= 1"})))
    url, text = served(run), "text/plain; charset=utf-8"
    assert "expect" not in get(f"{url}/readyz")[2]
    run.open()
    run.status.expectations.sample()
    before = scrape(run)
    assert value(before, "flowrun_ready") == 1
    assert value(before, "flowrun_expectation_met", key="dropped") == 1
    frame = Frame(IMAGE, 0, 0.0, 0.1, run.now)
    run.ledger.captured(frame)
    run.ledger.dropped(frame, "hook")
    broken = "expect.dropped is 1, expected == 0 (in the last 30 s)\n"
    assert get(f"{url}/readyz") == (503, text, broken)
    found = scrape(run)
    assert value(found, "flowrun_ready") == 0
    assert value(found, "flowrun_expectation_met", key="dropped") == 0
    assert value(found, "flowrun_expectation_met", key="attached.n") == 1
    run.source.unavailable_since = datetime(2024, 5, 6, 12, 0, 1)
    unavailable = "source: rtsp://***@in/a is unavailable since 12:00:01\n"
    assert get(f"{url}/readyz") == (503, text, unavailable + broken)
    run.source.unavailable_since = None
    for _ in range(3):
        run.now += 16
        run.status.expectations.sample()
    assert get(f"{url}/readyz") == (200, text, "ready\n")


def test_status_is_the_status_as_json(served: Callable[[Any], str], fake_run: Any) -> None:
    run = fake_run(NAME)
    run.open()
    status, kind, text = get(f"{served(run)}/status")
    assert (status, kind) == (200, "application/json")
    assert json.loads(text) == run.status.to_json()


def test_metrics_come_as_text_and_as_openmetrics_with_those_of_the_process(
    served: Callable[[Any], str], fake_run: Any
) -> None:
    url = f"{served(fake_run())}/metrics"
    status, kind, text = get(url)
    assert (status, kind.partition(";")[0]) == (200, "text/plain")
    assert "\nprocess_cpu_seconds_total " in text
    assert get(url, "text/plain; version=a.b.c")[:2] == (status, kind)
    status, kind, text = get(url, "application/openmetrics-text")
    assert (status, kind.partition(";")[0]) == (200, "application/openmetrics-text")
    assert text.endswith("# EOF\n")


def test_an_address_that_other_machines_reach_is_logged_as_one(
    caplog: pytest.LogCaptureFixture, fake_run: Any
) -> None:
    caplog.set_level("INFO")
    for host in ("0.0.0.0", "127.0.0.1"):
        metrics = Metrics(MetricsSpec(f"{host}:0"), fake_run().status)
        url = metrics.url
        metrics.close()
        scope = ", reachable from other machines" if host == "0.0.0.0" else ""
        assert caplog.messages[-1] == f"metrics: {url}/metrics{scope}"


def test_a_run_serves_its_metrics_from_before_its_source_is_open_to_its_end(
    free_address: Callable[[], str],
) -> None:
    address = free_address()
    run = Run(
        Flow(
            name="f",
            source=SourceSpec("test:64x48@30"),
            transport=TransportSpec(mode="unary", address=("embedded",), model="identity"),
            sinks=(SinkSpec("null"),),
            limits=Limits(frames=40),
            metrics=MetricsSpec(address),
        )
    )
    seen: list[str] = []

    def look(fate: Fate) -> None:
        if fate.index == 20:
            seen.extend(get(f"http://{address}/{path}")[2] for path in ("readyz", "metrics"))

    run.ledger.on_fate(look)
    run.run()
    assert seen[0] == "ready\n"
    assert 'flowrun_frames_total{cause="",fate="delivered",flow="f"} 21.0\n' in seen[1]
    with pytest.raises(urllib.error.URLError, match="refused"):
        get(f"http://{address}/livez")
    assert not [t.name for t in threading.enumerate() if t.name.startswith("flowrun")]


def test_an_address_in_use_ends_a_run_before_anything_is_opened(
    served: Callable[[Any], str], fake_run: Any
) -> None:
    taken = served(fake_run()).removeprefix("http://")
    flow = Flow(
        name="f",
        source=SourceSpec("/no/such/file.mp4"),
        transport=TransportSpec(mode="unary", address=("embedded",), model="identity"),
        sinks=(SinkSpec("null"),),
        metrics=MetricsSpec(taken),
    )
    with pytest.raises(RunError, match=rf"^metrics\.address: cannot listen on {taken} "):
        Run(flow).run()


def rows(fake_run: Any) -> list[str]:
    """The metrics of a run as a table, in the order in which they come."""
    run = fake_run(NAME)
    run.open()
    run.ledger.latencies.hook("postprocess[0]", "my:hook")
    found = []
    for family in RunCollector(run.status).collect():
        suffix = {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = [name for name in family._labelnames if name != "flow"]  # type: ignore[attr-defined]
        if family.type == "info":
            labels += ["version"]
        shown = ", ".join(f"`{label}`" for label in labels)
        name, text = f"`{family.name}{suffix}`", family.documentation
        found.append(f"| {name} | {family.type} | {shown} | {text} |")
    return found


def test_the_docs_list_every_metric(fake_run: Any) -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("| `flowrun_")] == rows(fake_run)


def test_the_bytes_and_bits_in_the_docs_are_correct() -> None:
    page = DOCS.read_text(encoding="utf-8")
    sizes = re.findall(r"^\| (\d+)x(\d+) \| (.+) MB \| (.+) MB/s \| (.+) Mbit/s \|$", page, re.M)
    assert len(sizes) == 3
    for width, height, *shown in sizes:
        size = int(width) * int(height) * 3 / 1e6
        assert shown == [f"{size:.2f}", f"{size * 30:.1f}", f"{size * 30 * 8:.0f}"]
