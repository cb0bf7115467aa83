"""What waits in front of a stage, as the flow alone decides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowrun.spec.flow import Flow, SinkSpec

if TYPE_CHECKING:
    from flowrun.operators.bounded import WhenFull


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """Place for `capacity` frames; what a further one does when all are taken."""

    capacity: int
    when_full: WhenFull


def buffer(flow: Flow) -> QueueSpec:
    """In front of preprocessing, for a flow that has no `auto` left."""
    policy = flow.backpressure.policy
    return QueueSpec(
        1 if policy == "latest" else flow.backpressure.buffer,
        "block" if policy == "every_frame" else "drop_oldest",
    )


def in_front_of(spec: SinkSpec, flow: Flow, *, several: bool) -> QueueSpec | None:
    """In front of a sink of `flow`, which has no `auto` left; `None` for a sink without a queue,
    which is written by the thread that delivers.

    A single sink that nobody watches needs none. A watched one alone makes the chain wait, so that
    frames are dropped before the server works on them. Several do so only where nothing may be
    lost, and never for the screen.
    """
    if not several and not spec.watched:
        return None
    screen = spec.kind == "screen"
    waits = not several or (flow.backpressure.policy == "every_frame" and not screen)
    return QueueSpec(
        flow.backpressure.buffer if several and not screen else 1,
        "block" if waits else "drop_oldest",
    )


def several(flow: Flow) -> bool:
    """Whether more than one sink takes frames: a `.jsonl` file beside others takes none, only what
    the ledger says of them."""
    return sum(spec.kind != "jsonl" for spec in flow.sinks) > 1


def writer(spec: SinkSpec) -> str:
    """The thread that writes a sink with a queue: the caller's for the screen."""
    return "main" if spec.kind == "screen" else f"sink-{spec.kind}"


def delivers_apart(flow: Flow) -> bool:
    """Whether a thread of its own delivers, because the screen needs the caller's."""
    return any(spec.kind == "screen" for spec in flow.sinks)
