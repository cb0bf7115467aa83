"""Show the model's output image instead of the source's."""

from __future__ import annotations

import math

import numpy as np

from flowrun.frame import Frame, Image
from flowrun.hooks.support import metadata, options
from flowrun.hooks.support.decoding import output_name, wrong_shape
from flowrun.image.scaling import scaled
from flowrun.inference import Result

_EXPECTED = "an image: uint8 with shape (height, width, 3)"


class picture:
    """Replace the image of a frame by the image in the result.

    `output` names it, uint8 (height, width, 3), any size; it may be omitted if the model has one
    output. With `size: source` it is scaled and moved to the region of the source's image that the
    model saw: the padding of `letterbox` and `align` is cropped, and around a region that a hook
    had cropped, the source's image stays. With `size: model` it keeps the model's size, and boxes
    drawn later do not fit it. A result without the output leaves the frame unchanged. Raises
    `ValueError` if the output is not an image. The new image may be read-only.
    """

    def __init__(self, output: str | None = None, size: str = "source") -> None:
        self._output = output
        self.reads_outputs = None if output is None else (output,)
        self._in_place = options.choice("size", size, ("source", "model")) == "source"

    def check_outputs(self, outputs: metadata.Outputs) -> None:
        tensor = metadata.only(outputs, self._output)
        fits = len(tensor.shape) == 3 and tensor.shape[2] in (3, metadata.ANY)  # noqa: PLR2004
        metadata.check(tensor, _EXPECTED, ("UINT8",), fits)

    def __call__(self, frame: Frame, result: Result) -> Frame:
        made = self._output_image(result)
        if made is None:
            return frame
        if not self._in_place:
            return frame.with_image(made)
        seen = frame.seen
        left, top, right, bottom = seen.to_source((0, 0, seen.width, seen.height))
        x0, x1 = max(0, round(left)), min(frame.width, round(right))
        y0, y1 = max(0, round(top)), min(frame.height, round(bottom))
        if x0 >= x1 or y0 >= y1:
            return frame
        # Pixels of the model's image for each pixel of the source's.
        x_scale, y_scale = made.shape[1] / (right - left), made.shape[0] / (bottom - top)
        # Whole pixels, and none with padding in it.
        x2, x3 = _within((x0 - left) * x_scale, (x1 - left) * x_scale, made.shape[1])
        y2, y3 = _within((y0 - top) * y_scale, (y1 - top) * y_scale, made.shape[0])
        region = scaled(made[y2:y3, x2:x3], (x1 - x0, y1 - y0))
        if region.shape == frame.image.shape:
            return frame.with_image(region)
        image = frame.image.copy()
        image[y0:y1, x0:x1] = region
        return frame.with_image(image)

    def _output_image(self, result: Result) -> Image | None:
        """The image in `result`; `None` if the output is missing."""
        name = output_name(result, self._output)
        tensor = result.as_numpy(name)
        if tensor is None:
            return None
        if tensor.dtype != np.uint8 or tensor.shape[2:] != (3,) or not tensor.size:
            raise wrong_shape(name, tensor, _EXPECTED)
        return tensor


def _within(first: float, last: float, size: int) -> tuple[int, int]:
    """The whole pixels from `first` to `last`, at least one of `size`."""
    low = min(max(0, math.ceil(round(first, 6))), size - 1)  # 64.00000000000001 is 64
    return low, max(low + 1, min(size, math.floor(round(last, 6))))
