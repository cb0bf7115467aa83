"""Convert between the RGB of frames and the pixels of a video, as filters and options of ffmpeg."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from flowrun.frame import VideoInfo

PIXEL_FORMATS = {"rgb": "rgb24", "bgr": "bgr24"}  # of frames, by the colour order of the flow
# Exact chroma: without these flags the result is darker by a level and some decibels off.
_CHROMA = "accurate_rnd+full_chroma_int+full_chroma_inp"
EXACT = f"bicubic+{_CHROMA}"
# By the names of the hooks' filters. In swscale as in Pillow, all but the first are antialiased.
SCALING = {
    name: f"{flag}+{_CHROMA}"
    for name, flag in {
        "nearest": "neighbor",
        "bilinear": "bilinear",
        "bicubic": "bicubic",
        "lanczos": "lanczos",
    }.items()
}
# All pixels count for the chroma. The mean of those that share one is nearer to what was decoded
# than a cubic curve through them, and half the work.
FROM_RGB = "flags=area+full_chroma_inp"
_RGB = re.compile(r"x2rgb|x2bgr|[a0]?rgb|[a0]?bgr|gbr|pal8|bayer")
_HD_WIDTH, _SD_HEIGHT = 1280, 576
_MATRICES = {"bt709", "fcc", "bt470bg", "smpte170m", "smpte240m", "bt2020nc"}


def is_rgb(pixel_format: str | None) -> bool:
    """Whether a pixel format of ffmpeg stores RGB or a palette, which has no matrix."""
    return pixel_format is not None and _RGB.match(pixel_format) is not None


def encoded(info: VideoInfo, size: tuple[int, int], codec: str) -> VideoInfo:
    """The properties of a video of `size` (width, height) that is encoded with `codec` from `info`.

    A source stored as RGB has no matrix. It gets the one that players assume for the size, and is
    labelled with it: that of BT.709 from 1280x720 on, as in mpv and VLC, else that of BT.601. JPEG
    has no other.
    """
    if info.color_space != "gbr":
        return info
    hd = (size[0] >= _HD_WIDTH or size[1] > _SD_HEIGHT) and codec != "mjpeg"
    primaries = info.color_primaries or "bt709"  # those of sRGB
    return replace(info, color_space="bt709" if hd else "smpte170m", color_primaries=primaries)


def to_rgb(
    size: tuple[int, int] | None, scaling: str = EXACT, tone_map: Sequence[str] = ()
) -> list[str]:
    """The filters from decoded pixels to planes of G, B and R, scaled to `size` (width, height)
    with the flags `scaling` of swscale. The filters `tone_map` get planes of 16 bits, which are
    the fastest for `lut3d`.

    The next step interleaves the planes: swscale writes planes with the processor's vector units,
    and writes the same pixels interleaved three times slower.
    """
    scaled = f"w={size[0]}:h={size[1]}:" if size else ""
    scale = f"scale={scaled}out_range=pc:flags={scaling}"
    deep = ["format=gbrp16", *tone_map, "scale"] if tone_map else []
    return [scale, *deep, "format=gbrp"]


def bars(size: tuple[int, int]) -> str:
    """The filter that centers a picture in black of `size` (width, height)."""
    return f"pad={size[0]}:{size[1]}:(ow-iw)/2:(oh-ih)/2:black"


def from_rgb(info: VideoInfo) -> list[str]:
    """The filters from RGB to the matrix and the range of the source. They also tag the frames with
    the source's primaries and transfer: ffmpeg prefers tags of frames to options of the encoder."""
    matrix = f":out_color_matrix={info.color_space}" if info.color_space in _MATRICES else ""
    known = {"color_primaries": info.color_primaries, "color_trc": info.color_transfer}
    tags = ":".join(f"{name}={value}" for name, value in known.items() if value)
    return [
        f"scale=out_range={info.color_range or 'tv'}:{FROM_RGB}{matrix}",
        *([f"setparams={tags}"] if tags else []),
    ]


def color_options(info: VideoInfo) -> dict[str, str]:
    """The options of the encoder that tag the video with the colours of the source."""
    found = {
        "color_range": info.color_range or "tv",
        "colorspace": info.color_space if info.color_space in _MATRICES else None,
        "color_primaries": info.color_primaries,
        "color_trc": info.color_transfer,
    }
    return {name: value for name, value in found.items() if value}
