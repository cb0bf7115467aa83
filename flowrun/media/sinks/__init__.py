"""Where frames go: one kind, one file, one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from flowrun.errors import InvalidFlowError
from flowrun.frame import VideoInfo
from flowrun.media.protocols import Sink
from flowrun.media.sinks.null import NullSink
from flowrun.media.sinks.video import VideoSink
from flowrun.spec.flow import SinkSpec
from flowrun.spec.kinds import SinkKind

Color = Literal["rgb", "bgr"]

SINKS: dict[SinkKind, Callable[[SinkSpec, VideoInfo, Color], Sink]] = {
    "video": VideoSink,
    "null": NullSink,
}


def open_sink(spec: SinkSpec, info: VideoInfo, color: Color = "rgb") -> Sink:
    """A sink that is ready for its first frame. `info` tells rate, time base and colours of the
    source; `color` the order of the frames' channels. Raises `SinkError`; `InvalidFlowError` for a
    kind that this version does not have."""
    if spec.kind not in SINKS:
        raise InvalidFlowError(f"{spec.kind} sinks are not supported yet", key="sink")
    return SINKS[spec.kind](spec, info, color)
