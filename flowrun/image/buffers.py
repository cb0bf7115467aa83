"""Where the pictures of a source lie."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Memory = npt.NDArray[np.uint8]


class Buffers:
    """Memory for pictures: what `lend` gives for so many bytes, or the process's own where that has
    none (`None`).

    Whoever lends may use the memory again when the array that was lent is dead, and all that was
    made of it. `lend` is set before the first picture is asked for; it is called on the thread of
    the source, and may block for a bounded time.
    """

    def __init__(self) -> None:
        self.allocate: Callable[[int], Memory | None] = lambda _: None

    def picture(self, shape: tuple[int, int, int]) -> Memory:
        """An array of `shape`, writable, with anything in it."""
        size = math.prod(shape)
        allocated = self.allocate(size)
        return np.empty(shape, np.uint8) if allocated is None else allocated[:size].reshape(shape)


def address_of(array: npt.NDArray[Any]) -> int:
    """Where its first element lies in this process."""
    address: int = array.__array_interface__["data"][0]
    return address
