"""Convert the image to the normalized tensor that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowrun.frame import Frame, Image
from flowrun.hooks.support import options
from flowrun.inference import Tensor

_DTYPES: dict[str, Any] = {"uint8": np.uint8, "fp16": np.float16, "fp32": np.float32}
_LAYOUTS = ("HWC", "CHW", "NHWC", "NCHW")


class to_tensor:
    """Convert the image to a tensor: (value - mean) * scale / std, of values from 0 to 255.

    `layout` is HWC, CHW, NHWC or NCHW (N is 1), `dtype` uint8, fp16 or fp32. `mean` and `std` are
    one number, or three in the order of the image's channels; `scale` is one number. With uint8
    the values are unchanged. The tensor is contiguous and writable; it becomes the model's only
    input. Must be the last preprocess hook.
    """

    def __init__(
        self,
        layout: str = "NCHW",
        dtype: str = "fp32",
        mean: float | Sequence[float] = 0.0,
        std: float | Sequence[float] = 1.0,
        scale: float = 1.0,
    ) -> None:
        self._planes = "CHW" in options.choice("layout", layout, _LAYOUTS)
        self._batch = layout.startswith("N")
        self._dtype = _DTYPES[options.choice("dtype", dtype, _DTYPES)]
        self._mean = options.per_channel("mean", mean)
        divisor = options.per_channel("std", std)
        if not divisor.all():
            options.reject("std", std, "one nonzero number or three, one for each channel")
        self._factor = options.number("scale", scale) / divisor
        if dtype == "uint8" and (self._mean.any() or (self._factor != 1).any()):
            options.reject("dtype", dtype, "a type for normalized values", "write fp16 or fp32")
        values = np.arange(256, dtype=np.float32)
        with np.errstate(over="ignore"):  # infinite in fp16
            self._table = [
                ((values - mean) * factor).astype(np.float16)
                for mean, factor in zip(self._mean, self._factor, strict=True)
            ]

    def __call__(self, frame: Frame) -> Tensor:
        image = frame.image.transpose(2, 0, 1) if self._planes else frame.image
        if self._dtype == np.uint8:
            tensor: Tensor = np.array(image, order="C")
        elif self._dtype == np.float16:
            tensor = self._looked_up(image)
        else:
            tensor = self._normalized(image)
        return tensor[None] if self._batch else tensor

    def _looked_up(self, image: Image) -> Tensor:
        """The values of `_normalized` in fp16. Converting 256 values for each channel is more than
        twice as fast as converting all pixels."""
        tensor = np.empty(image.shape, np.float16)
        axis = 0 if self._planes else 2
        for n, table in enumerate(self._table):
            np.moveaxis(tensor, axis, 0)[n] = table[np.moveaxis(image, axis, 0)[n]]
        return tensor

    def _normalized(self, image: Image) -> Tensor:
        """In fp32."""
        tensor = image.astype(np.float32, order="C")
        channels = tensor if self._planes else tensor.transpose(2, 0, 1)
        for n in range(options.CHANNELS):  # for HWC five times as fast as all three at once
            channels[n] -= self._mean[n]
            channels[n] *= self._factor[n]
        return tensor
