"""Open numbered pictures, such as `frames/%04d.png`, as a video."""

from __future__ import annotations

import logging
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from flowrun.errors import SourceError
from flowrun.media.ffmpeg import commands
from flowrun.media.protocols import SourceContext
from flowrun.media.sources.decoders import sessions
from flowrun.media.sources.reconnecting import ReconnectingSource
from flowrun.spec.flow import SourceSpec

log = logging.getLogger("flowrun")

DEFAULT_FPS = 25.0
# The last number of the file's name decides; any other `%` stands for itself.
_PATTERN = re.compile(
    r"(?P<before>(?:.*[/\\])?[^/\\]*)%0?(?P<digits>\d{0,2})d(?P<after>[^/\\]*"
    r"\.(?i:png|jpe?g|bmp|tiff?|webp|p[bgnp]m|tga|jp2|exr|dpx))"
)


def is_pattern(uri: str) -> bool:
    """Whether `uri` stands for numbered pictures. A file of that name comes first."""
    return "://" not in uri and _PATTERN.fullmatch(uri) is not None and not os.path.lexists(uri)


class NumberedPictures(ReconnectingSource):
    """The pictures in the order of their numbers, from the lowest one that exists, at `source.fps`,
    which sets their times. Gaps in the numbers are logged and take no time.

    ffmpeg gets a list of the files: its own reader of numbered pictures ends at the first gap.
    """

    def __init__(self, spec: SourceSpec, context: SourceContext) -> None:
        self._folder: Path | None = None  # of the list
        self._fps = spec.fps or DEFAULT_FPS
        decoded = replace(spec, fps=None)  # pictures are neither repeated nor dropped
        super().__init__(decoded, sessions(decoded, self._inputs, context=context))

    def close(self) -> None:
        super().close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _inputs(self, spec: SourceSpec) -> list[str]:
        """List the pictures; raises `SourceError` if there are none."""
        found = numbered(spec.uri)
        if not found:
            raise SourceError(
                f"there is no file {spec.uri}, and no picture whose name matches this pattern",
                reason="not found",
                hint=f"relative paths start at the working directory, {os.getcwd()}",
            )
        gaps = [number for number, following in pairwise(found) if following != number + 1]
        if self._folder is None:
            if gaps:
                log.warning(
                    "source: the numbers of %s have %d gap(s), the first after %d; "
                    "the pictures are read as if there was none",
                    *(spec.uri, len(gaps), gaps[0]),
                )
            self._folder = Path(tempfile.mkdtemp(prefix="flowrun-"))
        path = self._folder / "pictures.ffconcat"
        path.write_text(picture_list(list(found.values()), self._fps), encoding="utf-8")
        list_options = ("-f", "concat", "-safe", "0")
        return [*commands.loop_options(spec), *list_options, "-i", f"file:{path}"]


def numbered(uri: str) -> dict[int, str]:
    """The paths that match the pattern `uri`, by their numbers, in order."""
    match = _PATTERN.fullmatch(uri)
    if match is None:
        return {}
    folder, prefix = os.path.split(match["before"])
    digits, suffix = int(match["digits"] or 1), match["after"]
    found: dict[int, str] = {}
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return {}
    for name in names:
        number = name[len(prefix) : len(name) - len(suffix)]
        if not (number.isascii() and number.isdigit()):
            continue
        if name == f"{prefix}{int(number):0{digits}}{suffix}":
            found[int(number)] = os.path.join(folder, name)
    return dict(sorted(found.items()))


def picture_list(paths: Sequence[str], fps: float) -> str:
    """A script for ffmpeg's `concat` demuxer: each file with its rate, and with its duration in
    whole microseconds, which do not add up to an error."""
    lines = ["ffconcat version 1.0"]
    for index, path in enumerate(paths):
        quoted = os.path.abspath(path).replace("'", r"'\''")
        duration = round((index + 1) * 1e6 / fps) - round(index * 1e6 / fps)
        lines += [f"file 'file:{quoted}'", f"option framerate {fps:.10g}", f"duration {duration}us"]
    return "\n".join(lines) + "\n"
