"""The kinds of sinks, one module each, and the registry that maps a kind to its class."""

from __future__ import annotations

from collections.abc import Callable

from flowrun.media.ffmpeg.encoder_names import check_codec
from flowrun.media.lines.jsonl import JsonLinesSink
from flowrun.media.lines.mqtt import MqttSink
from flowrun.media.lines.stdout import StandardOutputSink
from flowrun.media.lines.webhook import WebhookSink
from flowrun.media.protocols import Sink, SinkContext
from flowrun.media.sinks.hls import HlsSink
from flowrun.media.sinks.live_stream import LiveStreamSink
from flowrun.media.sinks.null import NullSink
from flowrun.media.sinks.screen import ScreenSink
from flowrun.media.sinks.sound_support import check_sound
from flowrun.media.sinks.video import VideoSink
from flowrun.media.sinks.web import WebSink
from flowrun.spec.flow import SinkSpec
from flowrun.spec.kinds import SinkKind

SINKS: dict[SinkKind, Callable[[SinkSpec, SinkContext], Sink]] = {
    "video": VideoSink,
    "jsonl": JsonLinesSink,
    "stdout": StandardOutputSink,
    "mqtt": MqttSink,
    "webhook": WebhookSink,
    "screen": ScreenSink,
    "null": NullSink,
    "rtsp": LiveStreamSink,
    "stream": LiveStreamSink,
    "hls": HlsSink,
    "web": WebSink,
}


def open_sink(spec: SinkSpec, context: SinkContext) -> Sink:
    """A sink that is ready for its first frame. Raises `SinkError`, `InvalidFlowError` for an
    encoder that is unknown or sound that it cannot hold, or `RunError` for an address on which it
    cannot listen."""
    check_codec(spec, context.key)
    check_sound(spec, context.info.sound, context.key)
    return SINKS[spec.kind](spec, context)
