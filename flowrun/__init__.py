"""flowrun: put a KServe v2 model server into a video path.

The names below are the public ones. Each is imported at its first use, so that `flowrun validate`
needs neither numpy nor grpc.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowrun.detection import Classification as Classification
    from flowrun.detection import Detection as Detection
    from flowrun.errors import FlowrunError as FlowrunError
    from flowrun.frame import Frame as Frame
    from flowrun.frame import VideoInfo as VideoInfo
    from flowrun.inference import Result as Result
    from flowrun.ledger.summary import Summary as Summary
    from flowrun.run import Run as Run
    from flowrun.spec.flow import Flow as Flow
    from flowrun.spec.load import load_flow as load_flow
    from flowrun.view import View as View

__version__ = "0.1.0"

_MODULES = {
    "Classification": "flowrun.detection",
    "Detection": "flowrun.detection",
    "Flow": "flowrun.spec.flow",
    "FlowrunError": "flowrun.errors",
    "Frame": "flowrun.frame",
    "Result": "flowrun.inference",
    "Run": "flowrun.run",
    "Summary": "flowrun.ledger.summary",
    "VideoInfo": "flowrun.frame",
    "View": "flowrun.view",
    "load_flow": "flowrun.spec.load",
}
__all__ = [
    "Classification",
    "Detection",
    "Flow",
    "FlowrunError",
    "Frame",
    "Result",
    "Run",
    "Summary",
    "VideoInfo",
    "View",
    "load_flow",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'flowrun' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
