"""Draw the chain as a Mermaid flowchart."""

from __future__ import annotations

from collections.abc import Iterator

from flowrun.inspect.graph.chain import Box, Chain

_CODES = str.maketrans({"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"})


def mermaid(chain: Chain) -> str:
    """A flowchart with a subgraph for each thread; without a final line end."""
    lines = ["flowchart TB"]
    for number, box in enumerate((*chain.boxes, *chain.sinks)):
        lines += _subgraph(f"t{number}", box)
    last = len(chain.boxes) - 1
    for number, box in enumerate(chain.boxes[1:], start=1):
        lines.append(_edge(f"t{number - 1}", f"t{number}", box))
    for number, box in enumerate(chain.sinks, start=last + 1):
        lines.append(_edge(f"t{last}", f"t{number}", box))
    for number, stage in enumerate(chain.ledger_sinks):
        lines.append(f'  t{last} -.- a{number}["{_quoted(f"{stage.key}: {stage.text}")}"]')
    return "\n".join(lines)


def _subgraph(name: str, box: Box) -> Iterator[str]:
    yield f'  subgraph {name}["{_quoted(box.thread)}"]'
    labels = [_quoted(f"{stage.key}: {stage.text}") for stage in box.stages]
    labels = labels if box.sequential else ["<br>".join(labels)]
    nodes = [f"{name}s{number}" for number in range(len(labels))]
    yield from (f'    {node}["{label}"]' for node, label in zip(nodes, labels, strict=True))
    if len(nodes) > 1:
        yield f"    {' --> '.join(nodes)}"
    yield "  end"


def _edge(start: str, end: str, box: Box) -> str:
    return f'  {start} -->|"{"<br>".join(map(_quoted, box.incoming))}"| {end}'


def _quoted(text: str) -> str:
    return text.translate(_CODES)
