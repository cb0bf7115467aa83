"""Read what a container and its stream declare about a video, with PyAV."""

from __future__ import annotations

from fractions import Fraction

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from flowrun.frame import VideoInfo
from flowrun.media import colors, pixel_aspect
from flowrun.spec.flow import SourceSpec

# ffmpeg's names for its numbers; except for the range, these are the code points of ITU-T H.273.
_RANGES = {1: "tv", 2: "pc"}
_SPACES = {
    0: "gbr",
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
}
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}
_TRANSFERS = {
    1: "bt709",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}


def stream_info(
    container: InputContainer,
    stream: VideoStream,
    spec: SourceSpec,
    size: tuple[int, int],
    tick: Fraction,
) -> VideoInfo:
    """Rate, duration, colours and pixel aspect as declared; unset ones are `None`, the pixel aspect
    1. `size` and `tick` are those of the first frame."""
    fps = spec.fps or (float(stream.average_rate) if stream.average_rate else None)
    length = container.duration
    duration = length / av.time_base if length else None
    codec = stream.codec_context
    unlabelled = "gbr" if colors.is_rgb(codec.pix_fmt) else None
    return VideoInfo(
        *size,
        fps=fps,
        duration=duration,
        frames=round(duration * fps) if duration and fps else None,
        time_base=tick,
        color_range=_RANGES.get(codec.color_range),
        color_space=_SPACES.get(codec.colorspace, unlabelled),
        color_primaries=_PRIMARIES.get(codec.color_primaries),
        color_transfer=_TRANSFERS.get(codec.color_trc),
        pixel_aspect=stream.sample_aspect_ratio or pixel_aspect.SQUARE,
    )
