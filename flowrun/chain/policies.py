"""Resolve the values `auto` of a flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from flowrun.operators.limit import AdaptiveLimit, Limit
from flowrun.spec.flow import Flow, OnOutage

MAX_IN_FLIGHT = 256  # the maximum of the schema


def paced(flow: Flow) -> Flow:
    """Resolve `source.pace`: real time if a sink is watched or frames may be dropped, otherwise as
    fast as possible."""
    if flow.source.pace != "auto":
        return flow
    watched = any(sink.watched for sink in flow.sinks)
    drops = flow.backpressure.policy in ("latest", "bounded_age")
    pace: Literal["realtime", "fast"] = "realtime" if watched or drops else "fast"
    return replace(flow, source=replace(flow.source, pace=pace))


def decided(flow: Flow, *, live: bool) -> Flow:
    """Resolve the policies, once it is known whether the source is live."""
    policy = flow.backpressure.policy
    if policy == "auto":
        policy = "latest" if live else "every_frame"
    return replace(
        flow,
        backpressure=replace(flow.backpressure, policy=policy),
        transport=replace(flow.transport, on_outage=on_outage(flow, live=live)),
    )


def on_outage(flow: Flow, *, live: bool) -> OnOutage:
    """Resolve `transport.on_outage`: a recording waits for the model server; a live source cannot
    wait, so its frames are dropped."""
    policy = flow.transport.on_outage
    if policy != "auto":
        return policy
    return "drop" if live else "hold"


def waits_for_server(flow: Flow, *, live: bool) -> bool:
    """Resolve `transport.startup`: whether to wait for a model server that is unavailable at
    startup. The embedded server and a cassette are not waited for."""
    startup = flow.transport.startup
    return flow.transport.has_server and (startup == "wait" or (startup == "auto" and live))


def is_one_at_a_time(flow: Flow) -> bool:
    """Whether a request is only sent after the end of the one before: unary calls, which have no
    order, to a stateful model."""
    return flow.transport.sequence and flow.transport.mode == "unary"


def window(flow: Flow, clock: Callable[[], float]) -> Limit:
    """The in-flight window of a flow whose `backpressure.policy` is resolved: `in_flight`, which is
    only the maximum of an adaptive window where late frames are dropped or `in_flight` is
    `auto`."""
    limit = flow.transport.in_flight
    if is_one_at_a_time(flow):
        return Limit(1)
    if limit == "auto":
        return AdaptiveLimit(MAX_IN_FLIGHT, clock)
    if flow.backpressure.policy == "every_frame":
        return Limit(limit)
    return AdaptiveLimit(limit, clock)


def foreseen(flow: Flow) -> dict[str, str]:
    """By key, how each `auto` of `flow` will be resolved in a run, and what replaces another value,
    as far as that is known before the source is open."""
    live, recorded = decided(flow, live=True), decided(flow, live=False)
    policies: dict[str, tuple[str, str]] = {
        "backpressure.policy": (live.backpressure.policy, recorded.backpressure.policy),
        "transport.on_outage": (live.transport.on_outage, recorded.transport.on_outage),
    }
    text = {
        True: "{0}, as the source is live",
        False: "{1}, as the source is not live",
        None: "{1} for a video of known length, else {0}",
    }[flow.source.live]
    if flow.transport.has_server and flow.transport.startup == "auto":
        policies["transport.startup"] = ("wait", "fail")
    found = {key: text.format(*both) for key, both in policies.items() if both[0] != both[1]}
    if is_one_at_a_time(flow) and flow.transport.in_flight != 1:
        found["transport.in_flight"] = "1, as the unary requests of a sequence go one at a time"
    if flow.source.pace == "auto" and not flow.source.live:
        found["source.pace"] = paced(flow).source.pace
    return found


def reason(flow: Flow, policy: str, *, live: bool) -> str:
    """One line about the resolved `policy` of `flow`, and where it comes from."""
    what = {
        "every_frame": "no frame is dropped, a slow stage makes the source wait",
        "latest": "a frame that is superseded while it waits is dropped",
        "bounded_age": "a frame that waits for longer than max_age is dropped",
    }
    why = "as set in the flow"
    if flow.backpressure.policy == "auto":
        why = f"as the source is {'live' if live else 'not live'}"
    return f"backpressure: {policy}, {why}: {what[policy]}"
