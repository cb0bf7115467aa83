"""Open a file, or numbered pictures."""

from __future__ import annotations

import os

from flowrun.errors import SourceError
from flowrun.media.ffmpeg import commands
from flowrun.media.protocols import Source, SourceContext
from flowrun.media.sources.decoders import sessions
from flowrun.media.sources.pictures import NumberedPictures, is_pattern
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.spec.flow import SourceSpec


def file(spec: SourceSpec, context: SourceContext) -> Source:
    """Every frame of the file, as fast as they are requested; with `loop`, again from the
    start."""
    if is_pattern(spec.uri):
        return NumberedPictures(spec, context)
    return ReconnectingSource(spec, sessions(spec, _inputs, context=context, url=_file_url))


def _inputs(spec: SourceSpec) -> list[str]:
    return [*commands.loop_options(spec), "-i", _file_url(spec.uri)]


def _file_url(uri: str) -> str:
    """The URL for ffmpeg; raises `SourceError` for a missing file."""
    if not os.path.exists(uri):
        raise SourceError(
            f"there is no file {uri}",
            reason="not found",
            hint=f"relative paths start at the working directory, {os.getcwd()}",
        )
    if os.path.isdir(uri):
        raise SourceError(f"{uri} is a directory", reason="not found")
    return f"file:{uri}"  # a colon in a file's name is not a protocol
