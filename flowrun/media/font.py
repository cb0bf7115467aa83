"""Letters of five by seven dots, for pictures that have to say something."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flowrun.frame import Image

Mask = npt.NDArray[np.bool_]

_ROWS = 7
_BETWEEN_LINES = 3  # rows
_GLYPHS = {
    " ": "     |     |     |     |     |     |     ",
    "-": "     |     |     |#####|     |     |     ",
    ".": "     |     |     |     |     | ##  | ##  ",
    ":": "     | ##  | ##  |     | ##  | ##  |     ",
    "0": " ### |#   #|#  ##|# # #|##  #|#   #| ### ",
    "1": "  #  | ##  |  #  |  #  |  #  |  #  | ### ",
    "2": " ### |#   #|    #|  ## | #   |#    |#####",
    "3": " ### |#   #|    #|  ## |    #|#   #| ### ",
    "4": "   # |  ## | # # |#  # |#####|   # |   # ",
    "5": "#####|#    |#### |    #|    #|#   #| ### ",
    "6": " ### |#    |#    |#### |#   #|#   #| ### ",
    "7": "#####|    #|   # |  #  |  #  |  #  |  #  ",
    "8": " ### |#   #|#   #| ### |#   #|#   #| ### ",
    "9": " ### |#   #|#   #| ####|    #|    #| ### ",
    "A": " ### |#   #|#   #|#####|#   #|#   #|#   #",
    "B": "#### |#   #|#   #|#### |#   #|#   #|#### ",
    "C": " ### |#   #|#    |#    |#    |#   #| ### ",
    "D": "#### |#   #|#   #|#   #|#   #|#   #|#### ",
    "E": "#####|#    |#    |#### |#    |#    |#####",
    "F": "#####|#    |#    |#### |#    |#    |#    ",
    "G": " ### |#   #|#    |# ###|#   #|#   #| ####",
    "H": "#   #|#   #|#   #|#####|#   #|#   #|#   #",
    "I": " ### |  #  |  #  |  #  |  #  |  #  | ### ",
    "J": "  ###|   # |   # |   # |   # |#  # | ##  ",
    "K": "#   #|#  # |# #  |##   |# #  |#  # |#   #",
    "L": "#    |#    |#    |#    |#    |#    |#####",
    "M": "#   #|## ##|# # #|# # #|#   #|#   #|#   #",
    "N": "#   #|#   #|##  #|# # #|#  ##|#   #|#   #",
    "O": " ### |#   #|#   #|#   #|#   #|#   #| ### ",
    "P": "#### |#   #|#   #|#### |#    |#    |#    ",
    "Q": " ### |#   #|#   #|#   #|# # #|#  # | ## #",
    "R": "#### |#   #|#   #|#### |# #  |#  # |#   #",
    "S": " ####|#    |#    | ### |    #|    #|#### ",
    "T": "#####|  #  |  #  |  #  |  #  |  #  |  #  ",
    "U": "#   #|#   #|#   #|#   #|#   #|#   #| ### ",
    "V": "#   #|#   #|#   #|#   #|#   #| # # |  #  ",
    "W": "#   #|#   #|#   #|# # #|# # #|## ##|#   #",
    "X": "#   #|#   #| # # |  #  | # # |#   #|#   #",
    "Y": "#   #|#   #| # # |  #  |  #  |  #  |  #  ",
    "Z": "#####|    #|   # |  #  | #   |#    |#####",
}


def text_mask(*lines: str) -> Mask:
    """The lines one below the other, each in the middle, a dot of the font an element.

    Shape (10 * lines - 3, 6 * longest - 1). Knows A to Z (small letters are shown as capitals),
    0 to 9, `:`, `-`, `.` and space; raises `KeyError` for anything else.
    """
    masks = [_line(line) for line in lines]
    width = max(mask.shape[1] for mask in masks)
    whole = np.zeros((len(masks) * (_ROWS + _BETWEEN_LINES) - _BETWEEN_LINES, width), np.bool_)
    for number, mask in enumerate(masks):
        top, left = number * (_ROWS + _BETWEEN_LINES), (width - mask.shape[1]) // 2
        whole[top : top + _ROWS, left : left + mask.shape[1]] = mask
    return whole


def scale_to_fit(mask: Mask, width: int, height: int) -> int:
    """How many pixels a dot may have so that `mask` fits; 0 if it does not fit at all."""
    rows, columns = mask.shape
    return min(height // int(rows), width // int(columns))


def draw(image: Image, mask: Mask, scale: int, *, ink: int = 255, paper: int = 0) -> None:
    """Draw `mask` in the middle of `image`, `scale` pixels per dot, its dots in the grey `ink` and
    what is between them in the grey `paper`. What does not fit is cut off at the right and below.
    """
    height, width = image.shape[:2]
    large = mask.repeat(scale, 0).repeat(scale, 1)[:height, :width]
    top, left = (height - large.shape[0]) // 2, (width - large.shape[1]) // 2
    area = image[top : top + large.shape[0], left : left + large.shape[1]]
    area[:] = np.where(large[:, :, None], np.uint8(ink), np.uint8(paper))


def _line(text: str) -> Mask:
    rows = zip(*(_GLYPHS[letter].split("|") for letter in text.upper()), strict=True)
    return np.array([[dot == "#" for dot in " ".join(row)] for row in rows], np.bool_)
