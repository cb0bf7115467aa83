"""Find a device of this machine that decodes."""

from __future__ import annotations

import functools
import logging
from typing import Any

from av.codec import Codec
from av.codec.hwaccel import HWAccel, hwdevices_available
from av.error import FFmpegError

log = logging.getLogger("flowrun")

_PROBE = "h264"  # what every such device decodes


@functools.cache
def accelerator(wanted: Any) -> HWAccel | None:
    """The accelerator for `source.ffmpeg.hwaccel`: a type of device, or `auto` for the first one
    that works. `None`, which is logged, if there is none: then decoding is in software."""
    if wanted in (None, False, "none"):
        return None
    types = hwdevices_available() if wanted == "auto" else [str(wanted)]
    for each in types:
        try:
            HWAccel(each, allow_software_fallback=True).create(Codec(_PROBE, "r"))
        except (FFmpegError, ValueError, NotImplementedError):
            continue
        return HWAccel(each, allow_software_fallback=True)
    log.warning("source: hwaccel: %s finds no device here; decoding in software", wanted)
    return None
