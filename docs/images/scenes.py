"""Draw the clips of the gallery: a street, two faces, a dancer and a wall with signs.

Each object that a stand-in model finds has a colour of its own (`KEYS` of colors.py), which nothing
else in its clip has.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from docs.images.canvas import HEIGHT, WIDTH, Canvas, Color, Point
from docs.images.colors import KEYS
from flowrun.media.ffmpeg.process import executable

FRAMES, RATE = 12, 10
DARK: Color = (32, 34, 40)
WHITE: Color = (245, 245, 242)


def street(time: float) -> Any:
    """Cars, a bus and people in front of houses; `time` in seconds."""
    canvas = Canvas((176, 204, 224))
    canvas.oval(540, 50, 26, 26, (250, 240, 205))
    walls: list[Color] = [(184, 172, 160), (160, 166, 174), (196, 186, 170), (170, 160, 162)]
    for n, top in enumerate((58, 30, 76, 44, 66)):
        left = n * 132 - 12
        canvas.box(left, top, left + 128, 190, walls[n % 4])
        for row in range(top + 14, 160, 30):
            for column in range(left + 14, left + 110, 28):
                canvas.box(column, row, column + 15, row + 19, (96, 110, 124))
    canvas.box(0, 188, WIDTH, 214, (206, 202, 196))  # pavement
    canvas.box(0, 214, WIDTH, 318, (98, 100, 106))  # road
    for n in range(-1, 9):
        canvas.box(n * 84 + 20, 262, n * 84 + 60, 266, (216, 216, 208))
    canvas.box(0, 318, WIDTH, HEIGHT, (198, 194, 188))
    canvas.box(0, 318, WIDTH, 322, (160, 156, 152))

    person(canvas, 90 + 14 * time, 148, 0.62, KEYS["purple coat"], time)
    bus(canvas, 330 - 30 * time, 158)
    car(canvas, 70 + 40 * time, 250, KEYS["red car"], facing=1)
    car(canvas, 470 - 30 * time, 246, KEYS["blue car"], facing=-1)
    person(canvas, 288 + 20 * time, 232, 1.0, KEYS["green jacket"], time + 0.2)
    person(canvas, 590 - 18 * time, 226, 1.0, KEYS["orange shirt"], time)
    return canvas.picture()


def car(canvas: Canvas, x: float, y: float, paint: Color, facing: int) -> None:
    """A car of 110 x 52 pixels, its left upper corner at (x, y)."""

    def at(across: float, down: float) -> Point:
        return x + (across if facing > 0 else 110 - across), y + down

    canvas.area(at(18, 22), at(34, 0), at(72, 0), at(90, 22), fill=paint)
    (left, top), (right, bottom) = at(0, 20), at(110, 44)
    canvas.box(min(left, right), top, max(left, right), bottom, paint, corner=9)
    glass = (206, 226, 236)
    canvas.area(at(27, 21), at(38, 5), at(51, 5), at(51, 21), fill=glass)
    canvas.area(at(55, 21), at(55, 5), at(69, 5), at(81, 21), fill=glass)
    for across in (25, 85):
        canvas.oval(*at(across, 42), 10, 10, DARK)
        canvas.oval(*at(across, 42), 4, 4, (170, 174, 180))
    canvas.oval(*at(106, 28), 3, 4, (252, 246, 210))


def bus(canvas: Canvas, x: float, y: float) -> None:
    """A bus of 150 x 72 pixels."""
    canvas.box(x, y, x + 150, y + 64, KEYS["bus"], corner=7)
    for n in range(5):
        canvas.box(x + 10 + n * 27, y + 10, x + 32 + n * 27, y + 32, (206, 226, 236), corner=2)
    canvas.box(x, y + 44, x + 150, y + 48, DARK)
    for across in (32, 116):
        canvas.oval(x + across, y + 62, 11, 11, DARK)
        canvas.oval(x + across, y + 62, 4, 4, (170, 174, 180))


def person(canvas: Canvas, x: float, y: float, size: float, coat: Color, time: float) -> None:
    """A walking person, 100 pixels tall at `size` 1; the head's top is at (x, y)."""
    swing = 12 * math.sin(time * 6)

    def at(across: float, down: float) -> Point:
        return x + across * size, y + down * size

    for side in (-1, 1):
        foot = at(side * swing, 96)
        canvas.limb(at(0, 56), foot, fill=(52, 56, 74), width=9 * size)
        canvas.limb(foot, (foot[0] + 5 * size, foot[1]), fill=DARK, width=7 * size)
        canvas.limb(at(0, 30), at(-side * swing * 0.9 - side * 3, 56), fill=coat, width=7 * size)
    canvas.limb(at(0, 30), at(0, 54), fill=coat, width=20 * size)
    canvas.oval(*at(0, 11), 8.5 * size, 10.5 * size, (226, 182, 150))
    canvas.oval(*at(-1, 6), 9 * size, 6.5 * size, (70, 48, 38))


def portrait(time: float) -> Any:
    """Two faces."""
    canvas = Canvas((176, 196, 190))
    canvas.box(0, 250, WIDTH, HEIGHT, (150, 140, 128))
    canvas.box(280, 20, 370, 150, (232, 226, 210))
    canvas.box(288, 28, 362, 142, (128, 160, 176))
    face(canvas, 185 + 6 * time, 165, KEYS["light skin"], (92, 58, 40), (190, 90, 80), time)
    face(canvas, 462 - 6 * time, 178, KEYS["dark skin"], (30, 26, 28), (70, 110, 96), time + 1)
    return canvas.picture()


def face(
    canvas: Canvas, x: float, y: float, skin: Color, hair: Color, clothes: Color, time: float
) -> None:
    """A face of 124 x 160 pixels with its middle at (x, y), and its shoulders."""
    shade: Color = (int(skin[0] * 0.82), int(skin[1] * 0.78), int(skin[2] * 0.75))
    canvas.oval(x, y - 18, 78, 84, hair)
    canvas.box(x - 78, y - 20, x + 78, y + 60, hair, corner=30)
    canvas.box(x - 24, y + 50, x + 24, y + 116, shade)
    canvas.oval(x, y + 196, 118, 92, clothes)
    canvas.oval(x, y + 108, 30, 14, shade)
    canvas.oval(x, y, 62, 80, skin)
    canvas.area((x - 60, y - 30), (x - 34, y - 84), (x + 34, y - 84), (x + 60, y - 30),
                (x + 20, y - 50), (x - 20, y - 52), fill=hair)  # fmt: skip
    look = 4 * math.sin(time * 2)
    for side in (-1, 1):
        eye = x + side * 26
        canvas.oval(eye, y - 8, 16, 10, WHITE)
        canvas.oval(eye + look, y - 8, 8, 8, KEYS["iris"])
        canvas.oval(eye + look, y - 8, 3.4, 3.4, DARK)
        canvas.arc(eye, y - 16, 18, 12, (205, 335), hair)
    canvas.arc(x, y + 14, 9, 8, (20, 160), shade)
    canvas.arc(x, y + 30, 24, 18, (20, 160), (150, 50, 55))


def dancer(time: float) -> Any:
    """A dancer with gloves and with pads at elbows and knees."""
    canvas = Canvas((214, 206, 220))
    canvas.box(0, 280, WIDTH, HEIGHT, (170, 140, 112))
    for n in range(-4, 16):
        canvas.limb(
            (320 + (n - 6) * 50, 280), (320 + (n - 6) * 96, 362), fill=(150, 122, 98), width=1
        )
    canvas.box(40, 40, 150, 240, (190, 180, 200))
    canvas.box(490, 40, 600, 240, (190, 180, 200))
    x, y = 320 + 20 * math.sin(time), 96.0
    arms, bend = math.sin(time * 3), math.cos(time * 3)
    leggings: Color = (58, 58, 72)
    limbs: list[tuple[str, Point, str, Point, str, Point, Color, float]] = [
        ("", (x - 26, y + 42), "left elbow", (x - 76, y + 30 + 16 * arms),
         "left hand", (x - 104, y - 22 + 22 * arms), KEYS["shirt"], 15),
        ("", (x + 26, y + 42), "right elbow", (x + 74, y + 56 - 16 * arms),
         "right hand", (x + 122, y + 22 - 26 * arms), KEYS["shirt"], 15),
        ("", (x - 14, y + 116), "left knee", (x - 38 - 8 * bend, y + 166),
         "left foot", (x - 58, y + 222), leggings, 19),
        ("", (x + 14, y + 116), "right knee", (x + 56 + 8 * bend, y + 150),
         "right foot", (x + 66, y + 206), leggings, 19),
    ]  # fmt: skip
    canvas.oval(x, 324, 110, 12, (140, 114, 92))
    for _, start, middle, bent, end, tip, cloth, width in limbs:
        canvas.limb(start, bent, tip, fill=cloth, width=width)
        canvas.oval(*bent, width * 0.62, width * 0.62, KEYS[middle])
        canvas.oval(*tip, width * 0.66, width * 0.6, KEYS[end])
    canvas.box(x - 32, y + 34, x + 32, y + 122, KEYS["shirt"], corner=18)
    canvas.box(x - 8, y + 20, x + 8, y + 42, (204, 150, 118))
    canvas.oval(x, y - 10, 28, 28, (92, 58, 40))
    canvas.oval(x, y, 23, 28, KEYS["light skin"])
    canvas.area(
        (x - 24, y - 8), (x - 14, y - 30), (x + 14, y - 30), (x + 24, y - 8), fill=(92, 58, 40)
    )
    for side in (-1, 1):
        canvas.oval(x + side * 9, y + 2, 2.6, 2.6, DARK)
    canvas.arc(x, y + 8, 9, 8, (20, 160), (150, 50, 55))
    return canvas.picture()


def signs(time: float) -> Any:
    """A wall with signs, seen by a camera that moves sideways."""
    canvas = Canvas((196, 160, 140))
    shift = -8 * time
    for row in range(0, HEIGHT, 18):
        canvas.box(0, row, WIDTH, row + 1.5, (178, 142, 124))
        for column in range(-40, WIDTH + 80, 44):
            at = column + shift + (row // 18 % 2) * 22
            canvas.box(at, row, at + 1.5, row + 18, (178, 142, 124))
    for left, width in ((50, 240), (360, 210)):
        canvas.box(left + shift, 150, left + width + shift, 330, (84, 70, 62))
        canvas.box(left + 10 + shift, 160, left + width - 10 + shift, 320, (186, 208, 212))
        canvas.box(left + width / 2 + shift, 160, left + width / 2 + 5 + shift, 320, (84, 70, 62))
    canvas.box(0, 330, WIDTH, HEIGHT, (150, 148, 146))
    board(canvas, 40 + shift, 72, 262, 62, "cafe", 44)
    board(canvas, 350 + shift, 84, 232, 54, "bakery", 38)
    board(canvas, 82 + shift, 220, 74, 34, "open", 21)
    board(canvas, 470 + shift, 200, 88, 30, "parking", 18)
    return canvas.picture()


def board(
    canvas: Canvas, x: float, y: float, width: float, height: float, word: str, size: float
) -> None:
    canvas.box(x, y, x + width, y + height, KEYS[word], corner=4)
    canvas.text(x + width / 2, y + height / 2, word.upper(), size, WHITE)


SCENES: dict[str, Callable[[float], Any]] = {
    "street": street, "portrait": portrait, "dancer": dancer, "signs": signs
}  # fmt: skip


def record(folder: Path) -> None:
    """Make FOLDER/NAME.mp4 of every scene: `FRAMES` pictures, `RATE` per second."""
    for name, scene in SCENES.items():
        pictures = b"".join(scene(n / RATE).tobytes() for n in range(FRAMES))
        command = [
            *(executable(), "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "rgb24"),
            *("-s", f"{WIDTH}x{HEIGHT}", "-r", str(RATE), "-i", "-"),
            *("-pix_fmt", "yuv420p", "-crf", "8", "-movflags", "+faststart"),
            str(folder / f"{name}.mp4"),
        ]
        subprocess.run(command, input=pictures, timeout=60, check=True)
