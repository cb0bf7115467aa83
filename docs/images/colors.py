"""Find the objects of the clips by their colours."""

from __future__ import annotations

from typing import Any

import numpy as np

from docs.images.canvas import Color

Array = Any
Box = tuple[float, float, float, float]  # x0, y0, x1, y1 as shares of the picture
Margins = Box  # how far an object goes beyond its key colour, as shares of the width or height

TOLERANCE = 26  # of 255, in each channel; scaling and compression change a colour by less
FEWEST = 5  # pixels of an object
ENOUGH = 400  # pixels across; in a wider picture every second or third is looked at
TIGHT: Margins = (0, 0, 0, 0)

KEYS: dict[str, Color] = {
    "red car": (205, 40, 45),
    "blue car": (35, 85, 205),
    "bus": (245, 185, 25),
    "green jacket": (25, 150, 75),
    "purple coat": (140, 55, 170),
    "orange shirt": (240, 115, 25),
    "light skin": (238, 190, 152),
    "dark skin": (146, 96, 66),
    "iris": (30, 140, 235),
    "shirt": (75, 105, 160),
    "left hand": (225, 50, 55),
    "right hand": (35, 60, 215),
    "left elbow": (245, 205, 40),
    "right elbow": (30, 195, 195),
    "left knee": (205, 75, 205),
    "right knee": (110, 215, 70),
    "left foot": (250, 130, 25),
    "right foot": (20, 115, 95),
    "cafe": (20, 95, 60),
    "parking": (30, 75, 190),
    "bakery": (150, 35, 45),
    "open": (235, 165, 30),
}

CAR: Margins = (0, 0.1, 0, 0.18)
BUS: Margins = (0, 0, 0, 0.14)
PERSON: Margins = (0.15, 0.85, 0.15, 1.15)

STREET: dict[str, tuple[str, Margins, float]] = {
    "red car": ("car", CAR, 0.98),
    "blue car": ("car", CAR, 0.95),
    "bus": ("bus", BUS, 0.97),
    "green jacket": ("person", PERSON, 0.93),
    "purple coat": ("person", PERSON, 0.81),
    "orange shirt": ("person", PERSON, 0.9),
}


def mask(picture: Array, key: str) -> Array:
    """Which pixels of an RGB picture (height, width, 3) have the key's colour, and so do their four
    neighbours. (A pixel between two other colours may have it by chance.)"""
    distance = np.abs(picture.astype(np.int16) - np.array(KEYS[key], np.int16))
    near = distance.max(axis=2) <= TOLERANCE
    inner = np.zeros_like(near)
    inner[1:-1, 1:-1] = (
        near[1:-1, 1:-1] & near[:-2, 1:-1] & near[2:, 1:-1] & near[1:-1, :-2] & near[1:-1, 2:]
    )
    return inner


def find(picture: Array, key: str, margins: Margins = TIGHT) -> Box | None:
    """Where the object of that colour is in an RGB picture; `None` where it is not."""
    step = -(-picture.shape[1] // ENOUGH)
    few = picture[::step, ::step]
    rows, columns = np.nonzero(mask(few, key))
    if len(rows) < FEWEST:
        return None
    height, width = few.shape[:2]
    x0, x1 = (columns.min() - 1) / width, (columns.max() + 2) / width
    y0, y1 = (rows.min() - 1) / height, (rows.max() + 2) / height
    across, down = x1 - x0, y1 - y0
    left, top, right, bottom = margins
    return x0 - left * across, y0 - top * down, x1 + right * across, y1 + bottom * down
