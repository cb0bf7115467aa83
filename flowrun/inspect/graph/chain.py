"""The chain of a flow as data: who runs what, and what waits in between."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flowrun.chain import policies, queues
from flowrun.inspect.graph import labels as words
from flowrun.inspect.graph.labels import Stage
from flowrun.spec.flow import Flow
from flowrun.spec.secrets import redact, secrets_of

CALLER = "the thread that called run()"


@dataclass(frozen=True, slots=True)
class Box:
    """What `thread` does with a frame: the `stages` one after the other or, without `steps`, one
    thing that they describe. `before` says what waits in front."""

    thread: str
    stages: tuple[Stage, ...]
    before: tuple[str, ...] = ()
    steps: bool = True


@dataclass(frozen=True, slots=True)
class Chain:
    """The `boxes` in the order in which a frame meets them; behind the last one, side by side, the
    `sinks` with a thread of their own. `aside` take no frames, only what the ledger tells."""

    name: str
    boxes: tuple[Box, ...]
    sinks: tuple[Box, ...]
    aside: tuple[Stage, ...]


def chain_of(flow: Flow) -> Chain:
    """What a run compiles `flow` into, without secrets. Where only the opened source tells whether
    it is live, that is said, and the rest is as for a recording."""
    decided = policies.decided(policies.paced(flow), live=bool(flow.source.live))
    within, apart, aside = _sinks(decided)
    boxes = (
        Box("source thread", (*words.source(decided),)),
        Box(
            "preprocess thread",
            (*words.hooks(flow.preprocess, "preprocess"),),
            (words.room("buffer", queues.buffer(decided), "the source"), words.policy(flow)),
        ),
        Box("model server", (*words.transport(flow),), words.window(decided), steps=False),
        Box(
            "deliver thread" if queues.delivers_apart(flow) else CALLER,
            (*words.hooks(flow.postprocess, "postprocess"), *within),
            ("answers, in the order of the source",),
        ),
    )
    secrets = secrets_of(flow)

    def clean(stage: Stage) -> Stage:
        text = redact(stage.text, secrets)
        return replace(stage, text=text if text.isprintable() else repr(text)[1:-1])

    def shown(box: Box) -> Box:
        return replace(box, stages=tuple(map(clean, box.stages)))

    return Chain(
        flow.name, tuple(map(shown, boxes)), tuple(map(shown, apart)), tuple(map(clean, aside))
    )


def _sinks(flow: Flow) -> tuple[list[Stage], list[Box], list[Stage]]:
    """Those that the delivering thread writes, those with a thread of their own, and those that
    take no frames."""
    within: list[Stage] = []
    apart: list[Box] = []
    aside: list[Stage] = []
    takers = any(spec.kind != "jsonl" for spec in flow.sinks)
    for number, spec in enumerate(flow.sinks):
        stage = Stage(f"sink[{number}]" if len(flow.sinks) > 1 else "sink", spec.uri)
        room = queues.in_front_of(spec, flow, several=queues.several(flow))
        if spec.kind == "jsonl" and (within or takers):
            aside.append(replace(stage, text=f"{spec.uri}: what became of each frame"))
        elif room is None:
            within.append(stage)
        else:
            writer = queues.writer(spec)
            thread = CALLER if writer == "main" else f"{writer} thread"
            apart.append(Box(thread, (stage,), (words.room("queue", room, "whoever delivers"),)))
    return within, apart, aside
