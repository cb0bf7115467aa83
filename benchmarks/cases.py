"""The cases that are compared, as data: one line for each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FLOOR = "copy floor"
BARE = "bare gRPC"
DEMO = "demo client's way"
DEMO_TRITON = f"{DEMO}, Triton"


@dataclass(frozen=True, slots=True)
class Case:
    """`way` is a module of `benchmarks.ways`, `server` one of `servers.Servers`; `Job`
    has the other fields."""

    way: str
    server: str = "grpc"
    window: int = 4
    true_colors: bool = False
    source: Mapping[str, Any] = field(default_factory=dict)
    transport: Mapping[str, Any] = field(default_factory=dict)
    sink: Mapping[str, Any] = field(default_factory=dict)


_APART, _AV_OUT = {"decoder": "ffmpeg"}, {"encoder": "av"}
_SHARED = {"shared_memory": "system"}

CASES: dict[str, Case] = {
    FLOOR: Case("floor", "tcp"),
    "copy floor, exact colours": Case("floor", "tcp", true_colors=True),
    "tritonclient": Case("plain"),
    DEMO: Case("demo"),
    f"{DEMO}, exact colours": Case("demo", true_colors=True),
    BARE: Case("bare"),
    f"{BARE}, in process": Case("bare", sink=_AV_OUT),
    "flowrun": Case("flow"),
    "flowrun, unary": Case("flow", transport={"mode": "unary"}),
    "flowrun, unix socket": Case("flow", "unix"),
    "flowrun, flowrun serve": Case("flow", "serve"),
    "flowrun, decoder ffmpeg": Case("flow", source=_APART),
    "flowrun, in process": Case("flow", sink=_AV_OUT),
    DEMO_TRITON: Case("demo", "triton"),
    "flowrun, Triton": Case("flow", "triton"),
    f"{BARE}, shared memory": Case("bare", "triton", transport=_SHARED),
    "flowrun, shared memory": Case("flow", "triton", transport=_SHARED),
    "flowrun, in process, shared memory": Case("flow", "triton", transport=_SHARED, sink=_AV_OUT),
}
WINDOWS = (1, 2, 4, 8, 16)
SIDE_BY_SIDE = (1, 2, 4, 8)


def demo_of(name: str) -> str:
    """The case of the demo client's way with the same server as the case `name`."""
    return DEMO_TRITON if name in CASES and CASES[name].server == "triton" else DEMO


def windows(counts: tuple[int, ...] = WINDOWS) -> dict[str, Case]:
    """One case of flowrun for each window."""
    return {f"flowrun, window {count}": Case("flow", window=count) for count in counts}
