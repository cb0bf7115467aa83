"""Memory for the pictures of a source."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Memory = npt.NDArray[np.uint8]


class Buffers:
    """Memory for pictures, from `allocate(size in bytes)`, or from numpy where that returns `None`.

    The memory may be reused when the array that `allocate` returned is dead, and all views of it.
    `allocate` is set before the first picture; it is called on the thread of the source, and may
    block for a bounded time.
    """

    def __init__(self) -> None:
        self.allocate: Callable[[int], Memory | None] = lambda _: None

    def copied(self, image: Memory) -> Memory:
        """`image` in allocated memory; without any, the array itself, or a copy if it is not
        contiguous."""
        allocated = self.allocate(image.size)
        if allocated is None:
            return np.ascontiguousarray(image)
        copy = allocated[: image.size].reshape(image.shape)
        np.copyto(copy, image)
        return copy

    def picture(self, shape: tuple[int, int, int]) -> Memory:
        """A writable, uninitialized array of `shape`."""
        size = math.prod(shape)
        allocated = self.allocate(size)
        return np.empty(shape, np.uint8) if allocated is None else allocated[:size].reshape(shape)


def address_of(array: npt.NDArray[Any]) -> int:
    """The address of the first element."""
    address: int = array.__array_interface__["data"][0]
    return address
