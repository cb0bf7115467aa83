"""Convert rotated boxes from the model's image to the source's picture."""

from __future__ import annotations

import numpy as np

from flowrun.frame import Frame
from flowrun.hooks.support.decoding import FloatArray
from flowrun.view import Box, View


def rotated_in_source(frame: Frame, boxes: FloatArray) -> tuple[list[Box | None], list[float]]:
    """Rotated boxes (n, 5) in pixels of the source, before their rotation, and their angles; `None`
    for one that is outside the picture. They are not clipped."""
    moved = rotated_to_source(frame.seen, boxes)
    x, y, width, height, angle = moved.T
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    reach_x, reach_y = (width * cos + height * sin) / 2, (width * sin + height * cos) / 2
    inside = (x + reach_x > 0) & (x - reach_x < frame.width)
    inside &= (y + reach_y > 0) & (y - reach_y < frame.height)
    corners = np.column_stack([x - width / 2, y - height / 2, x + width / 2, y + height / 2])
    found = [
        (x0, y0, x1, y1) if seen else None
        for (x0, y0, x1, y1), seen in zip(corners.tolist(), inside, strict=True)
    ]
    return found, angle.tolist()


def rotated_to_source(view: View, boxes: FloatArray) -> FloatArray:
    """Rotated boxes (n, 5), centre x, y, width, height and clockwise angle in radians, in pixels of
    the source.

    In a stretched view, a rotated box is a parallelogram in the source. It becomes the box of the
    same centre, area and direction and length of its longer sides.
    """
    x, y, width, height, angle = boxes.T
    center = view.points_to_source(np.stack([x, y], axis=1))
    cos, sin = np.cos(angle), np.sin(angle)
    upright = height > width  # the longer sides are at a right angle to `angle`
    along = np.where(upright, -sin, cos) * view.x_scale, np.where(upright, cos, sin) * view.y_scale
    stretch = np.hypot(*along)
    long = np.maximum(width, height) * stretch
    short = np.minimum(width, height) * view.x_scale * view.y_scale / stretch
    turned = np.where(upright, np.arctan2(-along[0], along[1]), np.arctan2(along[1], along[0]))
    sides = np.where(upright, short, long), np.where(upright, long, short)
    turned += np.round((angle - turned) / np.pi) * np.pi  # the same box, near the model's angle
    return np.column_stack([center, *sides, turned])
