"""Draw the chain as text with box-drawing characters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowrun.inspect.graph.chain import Box, Chain
from flowrun.inspect.graph.labels import Stage


def text(chain: Chain) -> str:
    """A box for each thread, from top to bottom; without a final line end."""
    every = [stage for box in (*chain.boxes, *chain.sinks) for stage in box.stages]
    keys = max(len(stage.key) for stage in (*every, *chain.ledger_sinks))
    width = max(
        *(len(_line(stage, keys)) for stage in every),
        *(len(box.thread) + 3 for box in (*chain.boxes, *chain.sinks)),
    )
    first, *further = chain.boxes
    lines = [chain.name, *_framed(first, keys, width, below=True)]
    for box in further:
        below = bool(chain.sinks) or box is not further[-1]
        lines += [*_between(box.incoming), *_framed(box, keys, width, below=below)]
    for sink in chain.sinks:
        last = sink is chain.sinks[-1]
        lines += [f"  {'└' if last else '├'}─► {line}" for line in sink.incoming]
        inside = _framed(sink, keys, width - 4, below=False)
        lines += [f"  {' ' if last else '│'} {line}" for line in inside]
    lines += [f"  from the ledger: {_line(stage, 0)}" for stage in chain.ledger_sinks]
    return "\n".join(lines)


def _framed(box: Box, keys: int, width: int, *, below: bool) -> Iterator[str]:
    yield f"┌─ {box.thread} {'─' * (width - len(box.thread) - 1)}┐"
    for stage in box.stages:
        yield f"│ {_line(stage, keys):{width}} │"
    yield f"└─{'┬' if below else '─'}{'─' * width}┘"


def _between(before: Sequence[str]) -> Iterator[str]:
    *first, last = before
    yield from (f"  │  {line}" for line in first)
    yield f"  ▼  {last}"


def _line(stage: Stage, keys: int) -> str:
    return f"{stage.key:{keys}}  {stage.text}"
