"""Letters for pictures that have to say something. The only module that touches a font.

The font is one that the system brings, for Pillow's own has no letters with accents; that one
stands in where a system has none.
"""

from __future__ import annotations

import math
import unicodedata
from contextlib import suppress
from functools import lru_cache
from typing import cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

Mask = npt.NDArray[np.uint8]

_SYSTEMS = ("DejaVuSans.ttf", "Arial.ttf", "arial.ttf")  # Linux, macOS, Windows
_PROBE = 20  # pixels; a size at which letters that differ look different
_NO_LETTER = "\uffff"  # is shown as what the font lacks


@lru_cache(maxsize=128)
def text_mask(text: str, size: int) -> Mask:
    """`text` in one line of letters of `size` pixels: how much ink there is, 0 to 255.

    Shape (`line_height(size)`, as wide as the text is), read-only. Takes any text: a letter that
    the font lacks is shown without its accents, one that it does not know at all as a box, and a
    line break as a space.
    """
    font = _font(size)
    shown = "".join(map(_shown, unicodedata.normalize("NFC", " ".join(text.split()))))
    paper = Image.new("L", (max(1, math.ceil(font.getlength(shown))), line_height(size)))
    ImageDraw.Draw(paper).text((0, 0), shown, 255, font)
    return np.asarray(paper)


def line_height(size: int) -> int:
    """The height of a line of letters of `size` pixels, accents and tails included."""
    return sum(_font(size).getmetrics())


@lru_cache(maxsize=4096)
def _shown(letter: str) -> str:
    probe = _font(_PROBE)
    if bytes(probe.getmask(letter)) != bytes(probe.getmask(_NO_LETTER)):
        return letter
    parts = unicodedata.normalize("NFKD", letter)
    return "".join(part for part in parts if not unicodedata.combining(part)) or letter


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return _face().font_variant(size=size)


@lru_cache(maxsize=1)
def _face() -> ImageFont.FreeTypeFont:
    for name in _SYSTEMS:
        with suppress(OSError):  # there is no such font
            return ImageFont.truetype(name, layout_engine=ImageFont.Layout.BASIC)
    return cast(ImageFont.FreeTypeFont, ImageFont.load_default(_PROBE))
