"""Tint the masks of detections."""

from __future__ import annotations

import numpy as np

from flowrun.detection import Mask, detections_of
from flowrun.frame import Frame, Image
from flowrun.hooks.support import options
from flowrun.hooks.support.palette import color_of
from flowrun.image.text import Color
from flowrun.inference import Result


class draw_masks:
    """Tint the masks of the detections on a copy of the image, one color per track or class.

    `opacity` is the share of the color, from 0 to 1. Detections below `min_score` are omitted.
    `color` is the source's, rgb or bgr. A frame without masks is returned unchanged.
    """

    reads_outputs = ()

    def __init__(self, opacity: float = 0.5, min_score: float = 0.0, color: str = "rgb") -> None:
        self._opacity = options.share("opacity", opacity)
        self._min_score = options.number("min_score", min_score)
        self._bgr = options.choice("color", color, ("rgb", "bgr")) == "bgr"

    def __call__(self, frame: Frame, result: Result) -> Frame:
        found = [
            (each.mask, color_of(each, bgr=self._bgr))
            for each in detections_of(frame)
            if each.mask is not None and each.score >= self._min_score
        ]
        if not found:
            return frame
        image = frame.image.copy()
        for mask, color in found:
            self._tint(image, mask, color)
        return frame.with_image(image)

    def _tint(self, image: Image, mask: Mask, color: Color) -> None:
        rows, columns = mask.pixels.shape
        part = image[mask.top : mask.top + rows, mask.left : mask.left + columns]
        pixels = mask.pixels[: part.shape[0], : part.shape[1]]
        values = np.arange(256) * (1 - self._opacity)
        for channel, ink in enumerate(color):
            tinted = np.rint(values + self._opacity * ink).astype(np.uint8)
            plane = part[:, :, channel]
            np.copyto(plane, tinted[plane], where=pixels)
