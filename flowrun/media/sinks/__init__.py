"""Where frames go: one kind, one file, one line here."""

from __future__ import annotations

from collections.abc import Callable

from flowrun.errors import InvalidFlowError
from flowrun.media.protocols import Feed, Sink
from flowrun.media.sinks.jsonl import JsonLinesSink
from flowrun.media.sinks.null import NullSink
from flowrun.media.sinks.rtsp import RtspSink
from flowrun.media.sinks.screen import ScreenSink
from flowrun.media.sinks.video import VideoSink
from flowrun.spec.flow import SinkSpec
from flowrun.spec.kinds import SinkKind

SINKS: dict[SinkKind, Callable[[SinkSpec, Feed], Sink]] = {
    "video": VideoSink,
    "jsonl": JsonLinesSink,
    "screen": ScreenSink,
    "null": NullSink,
    "rtsp": RtspSink,
}


def open_sink(spec: SinkSpec, feed: Feed) -> Sink:
    """A sink that is ready for its first frame. Raises `SinkError`; `InvalidFlowError` for a kind
    that this version does not have."""
    if spec.kind not in SINKS:
        raise InvalidFlowError(f"{spec.kind} sinks are not supported yet", key=feed.key)
    return SINKS[spec.kind](spec, feed)
