"""The queues of a flow: capacity, and what happens when one is full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowrun.spec.flow import Flow, SinkSpec

if TYPE_CHECKING:
    from flowrun.operators.bounded import WhenFull


@dataclass(frozen=True, slots=True)
class QueueSpec:
    """A queue of `capacity` frames, and what happens to a further one."""

    capacity: int
    when_full: WhenFull


def buffer(flow: Flow) -> QueueSpec:
    """The buffer before preprocessing, for a flow that has no `auto` left."""
    policy = flow.backpressure.policy
    return QueueSpec(
        1 if policy == "latest" else flow.backpressure.buffer,
        "block" if policy == "every_frame" else "drop_oldest",
    )


def sink_queue(spec: SinkSpec, flow: Flow, *, several: bool) -> QueueSpec | None:
    """The queue of a sink of `flow`, which has no `auto` left; `None` for a sink that the
    delivering thread writes.

    A single sink that does nothing between frames has none. The queue of any other single sink
    blocks, so that frames are dropped before the model server works on them. With several sinks it
    blocks only where no frame may be dropped, and never for the screen.
    """
    if not several and not spec.acts_between_frames:
        return None
    screen = spec.kind == "screen"
    blocks = not several or (flow.backpressure.policy == "every_frame" and not screen)
    return QueueSpec(
        flow.backpressure.buffer if several and not screen else 1,
        "block" if blocks else "drop_oldest",
    )


def several(flow: Flow) -> bool:
    """Whether more than one sink gets frames: one for lines beside others gets only the fates."""
    return sum(not spec.writes_lines for spec in flow.sinks) > 1


def writer(spec: SinkSpec) -> str:
    """The name of the thread that writes a sink with a queue: the caller's for the screen."""
    return "main" if spec.kind == "screen" else f"sink-{spec.kind}"


def delivers_apart(flow: Flow) -> bool:
    """Whether delivery has a thread of its own, because the screen needs the caller's."""
    return any(spec.kind == "screen" for spec in flow.sinks)
