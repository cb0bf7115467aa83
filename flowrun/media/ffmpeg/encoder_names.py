"""Check the name of an encoder before anything is written."""

from __future__ import annotations

import re
import subprocess
from functools import lru_cache

from flowrun.errors import InvalidFlowError
from flowrun.media.ffmpeg.process import executable
from flowrun.spec.flow import SinkSpec
from flowrun.spec.hints import closest_match
from flowrun.system.malloc import environment

_TIMEOUT = 10.0  # seconds
_VIDEO = re.compile(r"^ V\S{5} (\S+)(?:.*\(codec (\S+)\))?", re.MULTILINE)
_USUAL = {"avc": "libx264", "x264": "libx264", "x265": "libx265", "divx": "mpeg4", "xvid": "mpeg4"}


def check_codec(spec: SinkSpec, key: str) -> None:
    """Raise `InvalidFlowError` at the `codec` of the sink at `key` if ffmpeg is to encode and has
    no video encoder of this name. It takes about 50 ms, once per process."""
    name = spec.codec
    if name is None or spec.encoder != "ffmpeg":
        return
    known = encoder_names()
    if not known or name in known:
        return
    near = _USUAL.get(name.lower()) or closest_match(name, tuple(sorted(known)))
    some = ", ".join(f"`{each}`" for each in ("libx264", "libx265", "mpeg4") if each in known)
    if name == "copy":
        hint = "frames are encoded anew, as they have changed; remove the key for the usual encoder"
    else:
        hint = f"did you mean `{near}`?" if near else f"such as {some}"
    raise InvalidFlowError(f"ffmpeg has no video encoder {name!r}", key=f"{key}.codec", hint=hint)


@lru_cache(maxsize=1)
def encoder_names() -> frozenset[str]:
    """The names of ffmpeg's video encoders and of the codecs that they encode: ffmpeg accepts both.
    Empty if it does not list them."""
    command = [executable(), "-hide_banner", "-encoders"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
            env=environment(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(name for match in _VIDEO.findall(done.stdout) for name in match if name)
