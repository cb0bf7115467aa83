"""Write a playlist and its segments (HLS, RFC 8216) into a folder that any web server can serve."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from flowrun.media.protocols import SinkContext
from flowrun.media.sinks.live_outputs import segment_name
from flowrun.media.sinks.live_stream import LiveStreamSink
from flowrun.spec.flow import SinkSpec


class HlsSink(LiveStreamSink):
    """`name.m3u8` with segments `name-000000.ts`, … beside it, playable at any moment.

    For a live source the playlist has the last seconds, older segments are deleted, the wall clock
    is kept as in a live stream, and a later run continues the numbers. For a recording the playlist
    has all of it, with the times of the source; an existing one is replaced only with `overwrite`.
    """

    def __init__(self, spec: SinkSpec, context: SinkContext) -> None:
        playlist = Path(spec.uri)
        live = context.info.live
        context.claims.take(playlist, context.key, overwrite=live or spec.overwrite)
        if not live:
            _remove(playlist)
        super().__init__(spec, context)
        self._repeats = live and self._repeats

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._context.claims.release(self._context.key)


def _remove(playlist: Path) -> None:
    """Delete `playlist` and the segments that it lists."""
    try:
        lines = playlist.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    own = re.escape(segment_name(playlist).name).replace("NUMBER", r"\d{6,}")
    for line in lines:
        if re.fullmatch(own, line):
            with suppress(OSError):
                playlist.with_name(line).unlink()
    with suppress(OSError):
        playlist.unlink()
