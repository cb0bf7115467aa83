"""Encode and decode JPEG with Pillow."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL import UnidentifiedImageError
from PIL.Image import DecompressionBombError, Resampling, fromarray
from PIL.Image import open as open_image

from flowrun.frame import Image


def encode_jpeg(image: Image, color: Literal["rgb", "bgr"], quality: int) -> bytes:
    """`image`, whose channels are in the order of `color`, as a JPEG file; `quality` is 1 to 95."""
    rgb = image[:, :, ::-1] if color == "bgr" else image
    stream = io.BytesIO()
    fromarray(np.ascontiguousarray(rgb)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()


class JpegImages:
    """Decode JPEG files to images of `size` (width, height), or else of that of the first one."""

    def __init__(self, size: tuple[int, int] | None, color: Literal["rgb", "bgr"]) -> None:
        self._size = size
        self._color = color

    def __call__(self, data: bytes) -> Image:
        """Decode one file; the image is read-only. Raises `ValueError`."""
        try:
            with open_image(io.BytesIO(data), formats=["JPEG"]) as opened:
                rgb = opened.convert("RGB")
        except (OSError, SyntaxError, UnidentifiedImageError, DecompressionBombError) as error:
            raise ValueError(str(error)) from error
        self._size = self._size or rgb.size
        if rgb.size != self._size:
            rgb = rgb.resize(self._size, Resampling.BICUBIC)
        image = np.array(rgb)
        if self._color == "bgr":
            image = np.ascontiguousarray(image[:, :, ::-1])
        image.flags.writeable = False
        return image
