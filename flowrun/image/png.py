"""Encode and decode PNG with Pillow."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import UnidentifiedImageError
from PIL.Image import DecompressionBombError, fromarray
from PIL.Image import open as open_image

from flowrun.frame import Image


def write_png(path: Path, image: Image, color: Literal["rgb", "bgr"]) -> None:
    """Write `image`, whose channels are in the order of `color`, to `path`. Raises `OSError`."""
    rgb = image[:, :, ::-1] if color == "bgr" else image
    fromarray(np.ascontiguousarray(rgb)).save(path, "PNG")


def read_png(path: Path) -> Image:
    """The picture of a file in RGB. Raises `ValueError`."""
    try:
        with open_image(path, formats=["PNG"]) as opened:
            return np.asarray(opened.convert("RGB"))
    except (OSError, SyntaxError, UnidentifiedImageError, DecompressionBombError) as error:
        raise ValueError(str(error)) from error
