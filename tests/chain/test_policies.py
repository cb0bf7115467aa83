"""How `auto` is resolved, for live and recorded sources and for watched sinks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flowrun.chain import policies
from flowrun.operators.limit import AdaptiveLimit, Limit
from flowrun.spec.flow import BackpressureSpec, Flow, SinkSpec, SourceSpec, TransportSpec


def flow(
    sink: str = "null", policy: Any = "auto", pace: Any = "auto", outage: Any = "auto"
) -> Flow:
    return Flow(
        name="f",
        source=SourceSpec("in.mp4", pace=pace),
        transport=TransportSpec("unary", ("h:1",), "m", on_outage=outage),
        sinks=(SinkSpec("null"), SinkSpec(sink)),
        backpressure=BackpressureSpec(policy),
    )


@pytest.mark.parametrize(
    ("sink", "set_to", "pace"),
    [
        ("null", "auto", "fast"),
        ("out.mp4", "auto", "fast"),
        ("out.jsonl", "auto", "fast"),
        ("rtsp://h/1", "auto", "realtime"),
        ("screen", "auto", "realtime"),
        ("web", "auto", "realtime"),
        ("screen", "fast", "fast"),
        ("null", "realtime", "realtime"),
    ],
)
def test_a_recording_is_read_in_real_time_for_a_watched_sink(
    sink: str, set_to: str, pace: str
) -> None:
    assert policies.paced(flow(sink, pace=set_to)).source.pace == pace


@pytest.mark.parametrize(
    ("policy", "pace"),
    [("latest", "realtime"), ("bounded_age", "realtime"), ("every_frame", "fast")],
)
def test_a_recording_is_read_in_real_time_if_frames_may_be_dropped(policy: str, pace: str) -> None:
    assert policies.paced(flow("null", policy=policy)).source.pace == pace
    assert policies.paced(flow("null", policy=policy, pace="fast")).source.pace == "fast"


@pytest.mark.parametrize(
    ("live", "set_to", "policy"),
    [
        (False, "auto", "every_frame"),
        (True, "auto", "latest"),
        (False, "latest", "latest"),
        (True, "every_frame", "every_frame"),
        (True, "bounded_age", "bounded_age"),
    ],
)
def test_live_sources_drop_and_others_wait_unless_the_flow_sets_a_policy(
    live: bool, set_to: str, policy: str
) -> None:
    assert policies.decided(flow(policy=set_to), live=live).backpressure.policy == policy


@pytest.mark.parametrize(
    ("live", "set_to", "policy"),
    [
        (False, "auto", "hold"),
        (True, "auto", "drop"),
        (False, "fail", "fail"),
        (False, "drop", "drop"),
        (True, "hold", "hold"),
        (True, "passthrough", "passthrough"),
    ],
)
def test_in_an_outage_recordings_wait_and_live_sources_drop_unless_the_flow_sets_a_policy(
    live: bool, set_to: str, policy: str
) -> None:
    assert policies.decided(flow(outage=set_to), live=live).transport.on_outage == policy


@pytest.mark.parametrize(
    ("set_to", "policy", "kind", "most"),
    [
        (4, "every_frame", Limit, 4),
        (4, "latest", AdaptiveLimit, 4),
        (4, "bounded_age", AdaptiveLimit, 4),
        ("auto", "every_frame", AdaptiveLimit, 256),
        ("auto", "latest", AdaptiveLimit, 256),
    ],
)
def test_the_window_is_adaptive_where_frames_are_dropped_and_with_auto(
    set_to: Any, policy: str, kind: type[Limit], most: int
) -> None:
    of = flow(policy=policy)
    of = replace(of, transport=replace(of.transport, in_flight=set_to))
    now = 0.0
    window = policies.window(of, lambda: now)
    assert type(window) is kind
    largest = inside = 0
    for _ in range(10_000):
        while inside < window.value:
            window.enter()
            inside += 1
        now += 1 / window.value  # the more are in flight, the sooner one comes back
        window.leave()
        inside -= 1
        largest = max(largest, window.value)
    assert largest == most


@pytest.mark.parametrize(("mode", "size"), [("unary", 1), ("stream", 4)])
def test_the_unary_requests_of_a_sequence_go_one_at_a_time(mode: Any, size: int) -> None:
    of = flow(policy="every_frame")
    of = replace(of, transport=replace(of.transport, mode=mode, sequence=True))
    assert policies.window(of, lambda: 0.0).value == size
    explained = policies.foreseen(of).get("transport.in_flight")
    one = "1, as the unary requests of a sequence go one at a time"
    assert explained == (one if mode == "unary" else None)


def test_the_policy_is_logged_with_its_reason() -> None:
    assert policies.reason(flow(), "latest", live=True) == (
        "backpressure: latest, as the source is live: a frame that is superseded while it waits is"
        " dropped"
    )
    assert policies.reason(flow(policy="every_frame"), "every_frame", live=True) == (
        "backpressure: every_frame, as set in the flow: no frame is dropped, a slow stage makes"
        " the source wait"
    )


@pytest.mark.parametrize(
    ("startup", "live", "address", "waits"),
    [
        ("auto", True, "h:1", True),
        ("auto", False, "h:1", False),
        ("wait", False, "h:1", True),
        ("fail", True, "h:1", False),
        ("wait", True, "embedded", False),
    ],
)
def test_a_live_source_waits_for_the_model_server_at_startup(
    startup: Any, live: bool, address: str, waits: bool
) -> None:
    transport = TransportSpec("unary", (address,), "m", startup=startup)
    made = Flow("f", SourceSpec("test"), transport, (SinkSpec("null"),))
    assert policies.waits_for_server(made, live=live) is waits
