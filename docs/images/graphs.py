"""Stand-ins for graphs that draw what they find into the picture, as those of MediaPipe do.

See stand_ins.py for the others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from docs.images.colors import FEWEST, KEYS, STREET, find, mask

Array = Any

PUPIL = 12  # pixels between two parts of one iris, at most
BONES = (
    *(("left shoulder", "left elbow"), ("left elbow", "left hand")),
    *(("right shoulder", "right elbow"), ("right elbow", "right hand")),
    *(("left hip", "left knee"), ("left knee", "left foot")),
    *(("right hip", "right knee"), ("right knee", "right foot")),
    *(("left shoulder", "right shoulder"), ("left hip", "right hip")),
    *(("left shoulder", "left hip"), ("right shoulder", "right hip")),
)


def pose(image: Array) -> Array:
    """The skeleton of the dancer, drawn into the picture."""
    height, width = image.shape[:2]
    points = {
        key: ((box[0] + box[2]) / 2 * width, (box[1] + box[3]) / 2 * height)
        for key in KEYS
        if key.split()[0] in ("left", "right") and (box := find(image, key))
    }
    if shirt := find(image, "shirt"):
        head = find(image, "light skin")
        middle = ((head[0] + head[2]) / 2 if head else (shirt[0] + shirt[2]) / 2) * width
        top, bottom = (
            (head[3] if head else shirt[1]) * height + 0.05 * height,
            shirt[3] * height - 0.03 * height,
        )
        side = 0.034 * width
        points |= {"left shoulder": (middle - side, top), "right shoulder": (middle + side, top)}
        points |= {"left hip": (middle - side * 0.7, bottom)}
        points |= {"right hip": (middle + side * 0.7, bottom)}
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    thick = max(2, height // 120)
    for start, end in BONES:
        if start in points and end in points:
            draw.line([points[start], points[end]], (235, 255, 235), thick)
    for x, y in points.values():
        draw.ellipse((x - thick * 2, y - thick * 2, x + thick * 2, y + thick * 2), (225, 30, 30),
                     (255, 255, 255))  # fmt: skip
    if face := find(image, "light skin"):
        x0, y0, x1, y1 = (
            value * side for value, side in zip(face, (width, height) * 2, strict=True)
        )
        for n in (0.15, 0.5, 0.85):
            draw.ellipse((x0 + (x1 - x0) * (1 - n) / 2, y0, x1 - (x1 - x0) * (1 - n) / 2, y1),
                         outline=(40, 200, 90))  # fmt: skip
            draw.ellipse((x0, y0 + (y1 - y0) * (1 - n) / 2, x1, y1 - (y1 - y0) * (1 - n) / 2),
                         outline=(40, 200, 90))  # fmt: skip
    return np.asarray(drawn)


def irises(image: Array) -> Array:
    """A ring around each iris, drawn into the picture."""
    drawn = Image.fromarray(image)
    draw = ImageDraw.Draw(drawn)
    blue = mask(image, "iris")
    columns = np.nonzero(blue.any(axis=0))[0]
    for eye in np.split(columns, np.nonzero(np.diff(columns) > PUPIL)[0] + 1):
        if len(eye) < FEWEST:
            continue
        rows = np.nonzero(blue[:, eye[0] : eye[-1] + 1].any(axis=1))[0]
        x, y, r = (eye[0] + eye[-1]) / 2, (rows[0] + rows[-1]) / 2, (eye[-1] - eye[0]) / 2 + 4
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(225, 20, 90), width=3)
        for across, down in ((-r, 0), (r, 0), (0, -r), (0, r)):
            dot = (x + across - 2, y + down - 2, x + across + 2, y + down + 2)
            draw.ellipse(dot, (255, 235, 60))
    return np.asarray(drawn)


def objects(image: Array) -> Array:
    """The picture scaled to 320x320, with the objects of the street in boxes."""
    drawn = Image.fromarray(image).resize((320, 320))
    draw = ImageDraw.Draw(drawn)
    for key, (kind, margins, score) in STREET.items():
        if box := find(image, key, margins):
            x0, y0, x1, y1 = (value * 320 for value in box)
            draw.rectangle((x0, y0, x1, y1), outline=(30, 220, 60), width=2)
            text = f"{kind} {score:.2f}"
            left = min(x0, 318 - draw.textlength(text))
            draw.text((left, y0 - 2), text, "white", anchor="lb", stroke_width=1,
                      stroke_fill="black")  # fmt: skip
    return np.asarray(drawn)


for _tracker in (pose, irises):
    vars(_tracker).update(input="first_input_video")
vars(objects).update(input="input")
