"""What `auto` means in a run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flowrun.operators.limit import AdaptiveLimit, Limit
from flowrun.spec.flow import Flow, OnOutage

MOST_IN_FLIGHT = 256  # as the schema allows at most


def paced(flow: Flow) -> Flow:
    """`source.pace` decided: as somebody watches, or as fast as it goes."""
    if flow.source.pace != "auto":
        return flow
    watched = any(sink.watched for sink in flow.sinks)
    return replace(flow, source=replace(flow.source, pace="realtime" if watched else "fast"))


def decided(flow: Flow, *, live: bool) -> Flow:
    """Policies decided, once it is known whether the source is live."""
    policy = flow.backpressure.policy
    if policy == "auto":
        policy = "latest" if live else "every_frame"
    return replace(
        flow,
        backpressure=replace(flow.backpressure, policy=policy),
        transport=replace(flow.transport, on_outage=on_outage(flow, live=live)),
    )


def on_outage(flow: Flow, *, live: bool) -> OnOutage:
    """`transport.on_outage` decided: a recording waits for its server, and a live source, which
    does not wait, goes on without it."""
    policy = flow.transport.on_outage
    if policy != "auto":
        return policy
    return "drop" if live else "hold"


def window(flow: Flow, clock: Callable[[], float]) -> Limit:
    """The in-flight window of a flow that has its `backpressure.policy`: found where the flow says
    `in_flight: auto`, and up to the number where frames are dropped rather than grow old."""
    most = flow.transport.in_flight
    if most == "auto":
        return AdaptiveLimit(MOST_IN_FLIGHT, clock)
    return Limit(most) if flow.backpressure.policy == "every_frame" else AdaptiveLimit(most, clock)


def foreseen(flow: Flow) -> dict[str, str]:
    """By key, what each `auto` that is decided here will mean in a run of `flow`, as far as it is
    known before the source is open."""
    live, recorded = decided(flow, live=True), decided(flow, live=False)
    policies = {
        "backpressure.policy": (live.backpressure.policy, recorded.backpressure.policy),
        "transport.on_outage": (live.transport.on_outage, recorded.transport.on_outage),
    }
    said = {
        True: "{0}, as the source is live",
        False: "{1}, as the source is not live",
        None: "{1} for a video of known length, else {0}",
    }[flow.source.live]
    found = {key: said.format(*both) for key, both in policies.items() if both[0] != both[1]}
    if flow.source.pace == "auto" and not flow.source.live:
        found["source.pace"] = paced(flow).source.pace
    return found


def reason(flow: Flow, policy: str, *, live: bool) -> str:
    """One line on the `policy` that was decided on for `flow`, and on where it comes from."""
    what = {
        "every_frame": "nothing is skipped, whoever is slow makes the source wait",
        "latest": "a frame that is overtaken while it waits is dropped",
        "bounded_age": "a frame that is too old for the server is dropped",
    }
    why = "as the flow says"
    if flow.backpressure.policy == "auto":
        why = f"as the source is {'live' if live else 'not live'}"
    return f"backpressure: {policy}, {why}: {what[policy]}"
