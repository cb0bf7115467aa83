"""A model as the embedded server sees it: a callable with named tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Answer = np.ndarray[Any, Any] | Mapping[str, npt.NDArray[Any]] | None
Infer = Callable[[npt.NDArray[np.uint8]], Answer]


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """A tensor's name, KServe datatype and shape (-1 is any size).

    What nobody declared is "INVALID" and (), as OpenVINO Model Server says of its graphs.
    """

    name: str
    datatype: str = "INVALID"
    shape: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """`make()` gives a callable that takes one image and answers it.

    The image is uint8, shape (height, width, 3), read-only (it is the request's own memory; copy
    before drawing into it). The answer is an array under the name of the first output, several as
    a mapping from name to array, or `None` for no answer. `make` is called once per stream, and
    once per server for all unary calls together, so that a class may keep state between frames.
    """

    name: str
    make: Callable[[], Infer]
    input: TensorInfo
    outputs: tuple[TensorInfo, ...]


def picture(name: str) -> TensorInfo:
    """The tensor `name` as an image: UINT8, height x width x 3."""
    return TensorInfo(name, "UINT8", (-1, -1, 3))


def image_model(name: str, function: Infer) -> Model:
    """A model from image to image, with the names that all built-in models share."""
    return Model(name, lambda: function, picture("image"), (picture("output"),))
