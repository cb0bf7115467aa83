"""A model as the embedded server sees it: a callable with named tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flowrun.inference import Tensor
from flowrun.kserve.wire.tensor_info import TensorInfo

Answer = Tensor | Mapping[str, Tensor] | None
Infer = Callable[[Any], Answer]


class ModelError(Exception):
    """What an `Infer` raises to fail in words of its own, which go on after "model 'name' ".

    `gone`: that instance cannot be called again; what it knew of its stream is lost.
    """

    def __init__(self, text: str, *, gone: bool = False) -> None:
        super().__init__(text)
        self.gone = gone


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Model:
    """`make()` gives a callable that takes what was sent and answers it.

    It takes the array of the one input, or, `by_name`, a mapping from input name to array; the
    arrays have the datatypes and shapes of `inputs`, and are read-only (they are the request's own
    memory; copy before writing into them). An image is uint8, shape (height, width, 3). The answer
    is an array under the name of the first output, several as a mapping from name to array, or
    `None` for no answer. `make` is called once per stream, and once per server for all unary calls
    together, so that a class may keep state between frames; its `close()`, if it has one, is called
    at the end. `close` frees what the instances share, and ends their calls; idempotent.
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
    """A model from image to image, with the names that all built-in models share."""
    return Model(name, lambda: function, (picture("image"),), (picture("output"),))
