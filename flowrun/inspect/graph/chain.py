"""The chain of a flow as data: threads, their stages, and the queues between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowrun.chain import policies, queues
from flowrun.inspect.graph import labels
from flowrun.inspect.graph.labels import Stage
from flowrun.spec.flow import Flow
from flowrun.spec.secrets import redact, secrets_of

CALLER = "the thread that called run()"


@dataclass(frozen=True, slots=True)
class Box:
    """The stages that `thread` runs one after the other or, if not `sequential`, one stage that
    `stages` describe. `incoming` are the labels of the edge to this box."""

    thread: str
    stages: tuple[Stage, ...]
    incoming: tuple[str, ...] = ()
    sequential: bool = True


@dataclass(frozen=True, slots=True)
class Chain:
    """The `boxes` in the order in which a frame passes them; after the last one, in parallel, the
    `sinks` with a thread of their own. `ledger_sinks` get the fates of frames, not the frames."""

    name: str
    boxes: tuple[Box, ...]
    sinks: tuple[Box, ...]
    ledger_sinks: tuple[Stage, ...]


def chain_of(flow: Flow) -> Chain:
    """The chain that a run compiles `flow` into, without secrets. If it is not known before the
    source is open whether it is live, a label says so, and the rest is as for a recording."""
    decided = policies.decided(policies.paced(flow), live=bool(flow.source.live))
    within, apart, from_ledger = _sinks(decided)
    boxes = (
        Box("source thread", (*labels.source(decided),)),
        Box(
            "preprocess thread",
            (*labels.hooks(flow.preprocess, "preprocess"),),
            (labels.queue("buffer", queues.buffer(decided), "the source"), labels.policy(flow)),
        ),
        Box("model server", (*labels.transport(flow),), labels.window(decided), sequential=False),
        Box(
            "deliver thread" if queues.delivers_apart(flow) else CALLER,
            (*labels.hooks(flow.postprocess, "postprocess"), *within),
            ("results, in the order of the source",),
        ),
    )
    secrets = secrets_of(flow)

    def clean(stage: Stage) -> Stage:
        text = redact(stage.text, secrets)
        return replace(stage, text=text if text.isprintable() else repr(text)[1:-1])

    def shown(box: Box) -> Box:
        return replace(box, stages=tuple(map(clean, box.stages)))

    return Chain(
        flow.name,
        boxes=tuple(map(shown, boxes)),
        sinks=tuple(map(shown, apart)),
        ledger_sinks=tuple(map(clean, from_ledger)),
    )


def _sinks(flow: Flow) -> tuple[list[Stage], list[Box], list[Stage]]:
    """The sinks written by the delivering thread, those with a thread of their own, and those that
    get no frames."""
    within: list[Stage] = []
    apart: list[Box] = []
    from_ledger: list[Stage] = []
    frame_sinks = any(not spec.writes_lines for spec in flow.sinks)
    for key, spec in flow.sinks_by_key.items():
        stage = Stage(key, spec.uri)
        queue = queues.sink_queue(spec, flow, several=queues.several(flow))
        if spec.writes_lines and (within or frame_sinks):
            from_ledger.append(replace(stage, text=f"{spec.uri}: the fate of each frame"))
        elif queue is None:
            within.append(stage)
        else:
            writer = queues.writer(spec)
            thread = CALLER if writer == "main" else f"{writer} thread"
            incoming = labels.queue("queue", queue, "delivery")
            apart.append(Box(thread, (stage,), (incoming,)))
    return within, apart, from_ledger
