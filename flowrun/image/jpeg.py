"""Encode images as JPEG with Pillow."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL.Image import fromarray

from flowrun.frame import Image


def encode_jpeg(image: Image, color: Literal["rgb", "bgr"], quality: int) -> bytes:
    """`image`, whose channels are in the order of `color`, as a JPEG file; `quality` is 1 to 95."""
    rgb = image[:, :, ::-1] if color == "bgr" else image
    stream = io.BytesIO()
    fromarray(np.ascontiguousarray(rgb)).save(stream, "JPEG", quality=quality)
    return stream.getvalue()
