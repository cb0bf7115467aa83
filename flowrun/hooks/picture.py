"""The model's picture in place of the source's."""

from __future__ import annotations

import math

import numpy as np

from flowrun.frame import Frame, Image
from flowrun.hooks import options
from flowrun.image.scaling import scaled
from flowrun.inference import Result


class picture:
    """Shows the picture that the model answered, in the place of the source's that it saw.

    `output` names it, uint8 (height, width, 3), any size; the model's only output needs no name.
    With `size: source` it is brought to the size and place that it has in the source's picture:
    the padding of `letterbox` and `align` is cut off, and around a part that a hook had cut out
    stays the source's picture. With `size: model` it stays as the model made it, and boxes drawn
    later do not fit it. A result without the output leaves the frame as it is. Raises `ValueError`
    for what is no picture. The picture may be read-only.
    """

    def __init__(self, output: str | None = None, size: str = "source") -> None:
        self._output = output
        self._in_place = options.choice("size", size, ("source", "model")) == "source"

    def __call__(self, frame: Frame, result: Result) -> Frame:
        answer = self._answer(result)
        if answer is None:
            return frame
        if not self._in_place:
            return frame.with_image(answer)
        seen = frame.seen
        left, top, right, bottom = seen.to_source((0, 0, seen.width, seen.height))
        x0, x1 = max(0, round(left)), min(frame.width, round(right))
        y0, y1 = max(0, round(top)), min(frame.height, round(bottom))
        if x0 >= x1 or y0 >= y1:
            return frame
        # The answer's pixels for one of the source's.
        x_scale, y_scale = answer.shape[1] / (right - left), answer.shape[0] / (bottom - top)
        # Whole pixels, and none with padding in it.
        x2, x3 = _within((x0 - left) * x_scale, (x1 - left) * x_scale, answer.shape[1])
        y2, y3 = _within((y0 - top) * y_scale, (y1 - top) * y_scale, answer.shape[0])
        shown = scaled(answer[y2:y3, x2:x3], (x1 - x0, y1 - y0))
        if shown.shape == frame.image.shape:
            return frame.with_image(shown)
        image = frame.image.copy()
        image[y0:y1, x0:x1] = shown
        return frame.with_image(image)

    def _answer(self, result: Result) -> Image | None:
        """The picture in `result`; `None` if the model did not answer it."""
        names = list(result.outputs)
        if self._output is None and len(names) > 1:
            raise ValueError(
                f"the answer has the outputs {', '.join(map(repr, names))}; name the picture's by"
                " the option output"
            )
        name = self._output or "".join(names)
        tensor = result.as_numpy(name)
        if tensor is None:
            return None
        if tensor.dtype != np.uint8 or tensor.shape[2:] != (3,) or not tensor.size:
            raise ValueError(
                f"{name!r} is {tensor.dtype} of shape {tuple(tensor.shape)}, which is no picture:"
                " a picture is uint8 of shape (height, width, 3)"
            )
        return tensor


def _within(first: float, last: float, size: int) -> tuple[int, int]:
    """The whole pixels from `first` to `last`, at least one of `size`."""
    low = min(max(0, math.ceil(round(first, 6))), size - 1)  # 64.00000000000001 is 64
    return low, max(low + 1, min(size, math.floor(round(last, 6))))
