"""What is compared, as data: a further case is one more line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FLOOR = "copy floor"
DEMO = "demo client's way"


@dataclass(frozen=True, slots=True)
class Case:
    """`way` is a module of `benchmarks.ways`, `server` one of `servers.Servers`; for the rest see
    `Job`."""

    way: str
    server: str = "grpc"
    window: int = 4
    true_colors: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    transport: Mapping[str, Any] = field(default_factory=dict)
    sink: Mapping[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {
    FLOOR: Case("floor", "tcp"),
    "copy floor, exact colours": Case("floor", "tcp", true_colors=True),
    "tritonclient": Case("plain"),
    DEMO: Case("demo"),
    f"{DEMO}, exact colours": Case("demo", true_colors=True),
    "flowrun": Case("flow"),
    "flowrun, unary": Case("flow", transport={"mode": "unary"}),
    "flowrun, unix socket": Case("flow", "unix"),
    "flowrun, flowrun serve": Case("flow", "serve"),
    "flowrun, decoder av": Case("flow", source={"decoder": "av"}),
    "flowrun, in process": Case("flow", source={"decoder": "av"}, sink={"encoder": "av"}),
    "flowrun, Triton": Case("flow", "triton"),
    "flowrun, shared memory": Case("flow", "triton", transport={"shared_memory": "system"}),
}
WINDOWS = (1, 2, 4, 8, 16)
SIDE_BY_SIDE = (1, 2, 4, 8)


def windows(counts: tuple[int, ...] = WINDOWS) -> dict[str, Case]:
    """flowrun with each of these windows."""
    return {f"flowrun, window {count}": Case("flow", window=count) for count in counts}
