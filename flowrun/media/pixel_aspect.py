"""The shape of pixels: width divided by height, also called sample aspect ratio."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from flowrun.frame import Frame, VideoInfo

SQUARE = Fraction(1)
MAX_TERM = 1000  # of the fraction; the codecs store both terms in 8 or 16 bits

Size = tuple[int, int]  # width, height
Share = tuple[Fraction, Fraction]  # of a width, of a height
WHOLE: Share = (Fraction(1), Fraction(1))


def known(numerator: int, denominator: int) -> Fraction:
    """The pixel aspect that a container declares; square for 0:1, which stands for unknown."""
    return Fraction(numerator, denominator) if numerator > 0 and denominator > 0 else SQUARE


def rotated(aspect: Fraction, degrees: int) -> Fraction:
    """The pixel aspect after a rotation by `degrees`."""
    return 1 / aspect if degrees % 180 else aspect


def of_frames(info: VideoInfo, degrees: int, size: Size | None) -> VideoInfo:
    """The properties of frames that are rotated by `degrees` and scaled to `size` (if set) without
    changing their shape on display. `info` has the size after the rotation, and the pixel aspect
    before it."""
    aspect = rotated(info.pixel_aspect, degrees)
    if size is None:
        return replace(info, pixel_aspect=aspect)
    width, height = size
    aspect *= Fraction(info.width * height, info.height * width)
    return replace(info, width=width, height=height, pixel_aspect=_simplified(aspect, size))


def share(info: VideoInfo, size: Size, aspect: Fraction) -> Share:
    """The part of frames like `info` that a picture of `size` with pixels of `aspect` fills, if it
    is fitted into them without distortion."""
    frame = Fraction(info.width, info.height) * info.pixel_aspect
    picture = Fraction(*size) * aspect
    return min(Fraction(1), picture / frame), min(Fraction(1), frame / picture)


def of_frame(frame: Frame, info: VideoInfo) -> Fraction:
    """The pixel aspect of `frame` at a sink.

    A picture of the size of the model's input shows what the model saw, in the same shape. Any
    other picture has the pixels of the source: a hook may have cropped or extended it.
    """
    size, seen = (frame.width, frame.height), frame.seen
    if size == (info.width, info.height) or size != (seen.width, seen.height):
        return info.pixel_aspect
    return _simplified(info.pixel_aspect * Fraction(seen.x_scale / seen.y_scale), size)


def display_size(size: Size, aspect: Fraction) -> Size:
    """The size in square pixels at which a picture of `size` is shown; no side gets smaller."""
    width, height = size
    if aspect > 1:
        return round(width * aspect), height
    return width, round(height / aspect)


def _simplified(aspect: Fraction, size: Size) -> Fraction:
    """`aspect`, or square pixels if that changes the shape of a picture of `size` by no more than
    rounding to whole pixels does."""
    width, height = size
    if abs(width * aspect - width) <= 1 or abs(height / aspect - height) <= 1:
        return SQUARE
    return aspect.limit_denominator(MAX_TERM)
