"""The interface of a model of the embedded server: a callable with named tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowrun.inference import Tensor, TensorInfo

Outputs = Tensor | Mapping[str, Tensor] | None
Infer = Callable[[Any], Outputs]


class ModelError(Exception):
    """Raised by an `Infer` to fail with this text, which follows "model 'name' ".

    `unusable`: this instance cannot be called again; its state is lost.
    """

    def __init__(self, text: str, *, unusable: bool = False) -> None:
        super().__init__(text)
        self.unusable = unusable


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Model:
    """`make()` constructs an instance: a callable from inputs to outputs.

    It takes the array of the one input, or, with `by_name`, a mapping from input name to array. The
    arrays have the datatypes and shapes of `inputs`, and are read-only (they are memory of the
    request; copy before writing into them). An image is uint8, shape (height, width, 3). It returns
    the array of the first output, a mapping from output name to array, or `None` for no response.
    `make` is called once per stream, and once per server for all unary calls together, so that a
    class may keep state between frames; its `close()`, if it has one, is called at the end. `close`
    frees what the instances share, and ends their calls; idempotent.
    """

    name: str
    make: Callable[[], Infer]
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    by_name: bool = False
    close: Callable[[], None] = _nothing


def picture(name: str) -> TensorInfo:
    """The tensor `name` as an image: UINT8, height x width x 3."""
    return TensorInfo(name, "UINT8", (-1, -1, 3))


def image_model(name: str, function: Infer) -> Model:
    """A model from image to image, with the tensor names of the built-in models."""
    return Model(name, lambda: function, (picture("image"),), (picture("output"),))
