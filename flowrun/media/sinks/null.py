"""Discard frames, for measurements and for flows whose hooks do all the work."""

from __future__ import annotations

from flowrun.frame import Frame
from flowrun.media.protocols import SinkContext
from flowrun.spec.flow import SinkSpec


class NullSink:
    """Accept every frame at once and keep none."""

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        """Nothing to open."""

    def write(self, frame: Frame) -> None:
        """Discard `frame`."""

    def close(self) -> None:
        """Nothing to finish."""

    def abort(self) -> None:
        """Nothing to abort."""
