"""The picture as the numbers that the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flowrun.frame import Frame, Image
from flowrun.hooks import options
from flowrun.inference import Tensor

_DTYPES: dict[str, Any] = {"uint8": np.uint8, "fp16": np.float16, "fp32": np.float32}
_LAYOUTS = ("HWC", "CHW", "NHWC", "NCHW")


class to_tensor:
    """Makes tensors of pictures: (value - mean) * scale / std, of values from 0 to 255.

    `layout` is HWC, CHW, NHWC or NCHW (N is 1), `dtype` uint8, fp16 or fp32. `mean` and `std` are
    one number, or three in the order of the picture's channels; `scale` is one number. With uint8
    the values stay as they are. The tensor is contiguous and may be written; it becomes the model's
    only input. Only as the last preprocess hook.
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
        self._mean = options.three("mean", mean)
        divisor = options.three("std", std)
        if not divisor.all():
            options.refuse("std", std, "a number to divide by")
        self._factor = options.number("scale", scale) / divisor
        if dtype == "uint8" and (self._mean.any() or (self._factor != 1).any()):
            options.refuse(
                "dtype", dtype, "a type for what mean, std and scale make", "write fp16 or fp32"
            )

    def __call__(self, frame: Frame) -> Tensor:
        image = frame.image.transpose(2, 0, 1) if self._planes else frame.image
        if self._dtype == np.uint8:
            tensor: Tensor = np.array(image, order="C")
        else:
            tensor = self._normalized(image).astype(self._dtype, copy=False)
        return tensor[None] if self._batch else tensor

    def _normalized(self, image: Image) -> Tensor:
        """Computed in fp32, whatever the tensor is in the end."""
        tensor = image.astype(np.float32, order="C")
        channels = tensor if self._planes else tensor.transpose(2, 0, 1)
        for n in range(options.CHANNELS):  # in HWC five times as fast as all three at once
            channels[n] -= self._mean[n]
            channels[n] *= self._factor[n]
        return tensor
